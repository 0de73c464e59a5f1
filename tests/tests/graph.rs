//! What `cache_core::graph()` knows of a small program: every shape of function that emits or listens, and each event.

use std::{pin::Pin, sync::Arc};

use async_trait::async_trait;
use cache_core::{
    Cache, Event, cached, event, graph,
    graph::{Direction, KnownEvent, Link},
    invalidates,
};

#[derive(Event)]
struct OrderChanged<'a> {
    tenant: &'a str,
    id: u64,
}

#[derive(Clone, Event)]
struct UserChanged {
    id: u64,
}

#[derive(Event)]
#[event(name = "rates")]
struct RatesChanged;

#[derive(Event)]
#[event(used_elsewhere)]
struct PriceChanged {
    id: u64,
}

#[derive(Event)]
#[event(used_elsewhere)]
struct Unused {}

mod listeners {
    use super::*;

    #[cached(ttl = 1h, invalidate_on = OrderChanged { tenant: &tenant, id })]
    pub(super) async fn order(tenant: String, id: u64) -> u64 {
        tenant.len() as u64 + id
    }

    #[cached(ttl = 1h, invalidate_on = [OrderChanged { tenant, .. }, RatesChanged])]
    pub(super) async fn orders(tenant: &str) -> u64 {
        tenant.len() as u64
    }

    #[cached(ttl = 1h, tiers = memory, invalidate_on = |user| UserChanged { id: *user })]
    pub(super) async fn user(name: String) -> u64 {
        name.len() as u64
    }

    /// Nobody calls it: there is no instance of it.
    #[cached(ttl = 1h, tiers = memory, skip(value), invalidate_on = PriceChanged { id })]
    #[expect(dead_code, reason = "it is linked all the same")]
    pub(super) async fn generic<T: Clone + Send + Sync + 'static>(id: u64, value: T) -> T {
        let _ = id;
        value
    }

    /// None of these has events of its own.
    #[cached(ttl = 1h, inherits)]
    pub(super) async fn inheriting(name: String) -> u64 {
        user(name).await
    }
}

struct Shop<T>(T);

impl<T: Sync> Shop<T> {
    #[cached(ttl = 1h, skip(self), invalidate_on = OrderChanged { .. })]
    async fn count(&self) -> u64 {
        let _ = &self.0;
        7
    }
}

trait Repository {
    async fn rename(&self, id: u64);

    #[invalidates(UserChanged { id })]
    async fn provided(&self, id: u64) {
        let _ = self;
    }
}

impl<T: Sync> Repository for Shop<T> {
    #[invalidates(UserChanged { id })]
    async fn rename(&self, id: u64) {
        let _ = &self.0;
    }
}

#[async_trait]
trait Boxed {
    async fn rename(&self, id: u64);
}

#[async_trait]
impl Boxed for Arc<Shop<u8>> {
    #[invalidates(UserChanged { id })]
    async fn rename(&self, id: u64) {
        let _ = (&self.0, id);
    }
}

mod emitters {
    use super::*;

    #[invalidates(OrderChanged { tenant, id: *result }, RatesChanged)]
    pub(super) async fn place(tenant: &str) -> Result<u64, String> {
        Ok(tenant.len() as u64)
    }

    #[invalidates(result)]
    pub(super) async fn sweep() -> Result<Vec<UserChanged>, String> {
        Ok(Vec::new())
    }

    #[invalidates(id.map(|id| UserChanged { id }), changes(), result)]
    pub(super) async fn several(id: Option<u64>) -> impl cache_core::Events + Send + use<> {
        id.map(|id| UserChanged { id })
    }

    #[invalidates(is_large.then(|| event!(OrderChanged { tenant: "a", .. })))]
    pub(super) fn boxed(is_large: bool) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {})
    }

    fn changes() -> Option<UserChanged> {
        None
    }

    pub(super) async fn by_hand(cache: &Cache) {
        cache
            .emit(event!(OrderChanged { tenant: "a", .. }))
            .await
            .expect("there is no Redis");
        // The compiler alone knows what this is: it is not in the graph.
        cache.emit(RatesChanged).await.expect("there is no Redis");
    }

    macro_rules! closing {
        ($name:ident($tenant:ident), $event:expr) => {
            #[invalidates($event)]
            pub(super) async fn $name($tenant: &str) {
                let _ = $tenant;
            }
        };
    }

    closing!(close(tenant), OrderChanged { tenant, .. });

    pub(super) async fn outer() {
        #[invalidates(RatesChanged)]
        async fn inner() {}
        inner().await;
    }
}

fn shown(link: &Link) -> String {
    let verb = match link.direction() {
        Direction::Emits => "emits",
        Direction::Listens => "listens to",
    };
    let function = link.function();
    format!(
        "{} {verb} {}",
        function.strip_prefix("graph::").unwrap_or(function),
        link.pattern()
    )
}

#[test]
fn each_shape_of_function_is_in_the_graph() {
    let graph = graph();
    let links: Vec<_> = graph.links().iter().map(shown).collect();
    assert_eq!(
        links,
        [
            "emitters::several emits changes()",
            "emitters::several emits result",
            "emitters::boxed emits OrderChanged { tenant, .. }",
            "emitters::by_hand emits OrderChanged { tenant, .. }",
            "emitters::close emits OrderChanged { tenant, .. }",
            "emitters::place emits OrderChanged { tenant, id }",
            "Shop<_>::count listens to OrderChanged { .. }",
            "listeners::order listens to OrderChanged { tenant, id }",
            "listeners::orders listens to OrderChanged { tenant, .. }",
            "listeners::generic listens to PriceChanged { id }",
            "<alloc::sync::Arc<graph::Shop<u8>> as graph::Boxed>::rename emits UserChanged { id }",
            "<graph::Shop<_> as graph::Repository>::rename emits UserChanged { id }",
            "Repository::provided emits UserChanged { id }",
            "emitters::several emits UserChanged { id }",
            "emitters::sweep emits UserChanged { id }",
            "listeners::user listens to UserChanged { id }",
            "emitters::outer::inner emits rates",
            "emitters::place emits rates",
            "listeners::orders listens to rates",
        ]
    );
}

#[test]
fn what_is_not_used_is_an_event_all_the_same() {
    let graph = graph();
    let names: Vec<_> = graph.events().iter().map(KnownEvent::name).collect();
    assert_eq!(
        names,
        [
            "OrderChanged",
            "PriceChanged",
            "Unused",
            "UserChanged",
            "rates"
        ]
    );
    let prices = &graph.events()[1];
    assert!(prices.is_used_elsewhere());
    assert_eq!(prices.fields(), ["id"]);
    assert_eq!(graph.emitters_of("PriceChanged").count(), 0);
    assert_eq!(graph.listeners_of("PriceChanged").count(), 1);
}

#[test]
fn what_is_used_has_its_place_in_the_source() {
    let graph = graph();
    let place = |function: &str| {
        let link = graph
            .links()
            .iter()
            .find(|link| link.function().ends_with(function));
        link.expect("it is in the graph").place().to_string()
    };
    let source = include_str!("graph.rs");
    for (function, attribute) in [
        (
            "listeners::user",
            "#[cached(ttl = 1h, tiers = memory, invalidate_on = |user|",
        ),
        ("emitters::sweep", "#[invalidates(result)]"),
        ("emitters::by_hand", ".emit(event!"),
    ] {
        let line = source
            .lines()
            .position(|line| line.trim_start().starts_with(attribute));
        let line = line.expect("it is there") + 1;
        assert_eq!(place(function), format!("tests/tests/graph.rs:{line}"));
    }
    let event = graph.events().iter().find(|event| event.name() == "rates");
    let place = event
        .expect("it is derived")
        .place()
        .expect("it is derived");
    let line = source
        .lines()
        .position(|line| line == "#[event(name = \"rates\")]");
    assert_eq!(
        place.to_string(),
        format!("tests/tests/graph.rs:{}", line.expect("it is there"))
    );
}

#[test]
fn every_event_leads_somewhere() {
    graph().assert_no_orphans();
}

#[tokio::test]
async fn functions_work_as_they_do_without_the_graph() {
    let cache = Cache::builder().build().await.expect("there is no Redis");
    let shop = Arc::new(Shop(7));
    Cache::scope(cache.clone(), async {
        assert_eq!(listeners::order("a".to_owned(), 1).await, 2);
        assert_eq!(listeners::orders("a").await, 1);
        assert_eq!(listeners::inheriting("abc".to_owned()).await, 3);
        assert_eq!(shop.count().await, 7);
        Repository::rename(&*shop, 7).await;
        shop.provided(7).await;
        Boxed::rename(&shop, 7).await;
        emitters::place("a").await.expect("it succeeds");
        emitters::sweep().await.expect("it succeeds");
        let _ = emitters::several(Some(1)).await;
        emitters::boxed(true).await;
        emitters::by_hand(&Cache::current()).await;
        emitters::close("a").await;
        emitters::outer().await;
        // What the compiler alone knows of.
        let cache = Cache::current();
        let emitted = cache.emit((PriceChanged { id: 7 }, Unused {})).await;
        emitted.expect("there is no Redis");
    })
    .await;
}
