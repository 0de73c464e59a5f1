use super::{refused, refused_item, tokens};
use crate::cached;

#[test]
fn functions_that_cannot_be_cached_are_refused_by_name() {
    let cases = [
        ("fn f() {}", "fn: `f` is not async: write `async fn f`"),
        (
            "const fn f() {}",
            "const: a `const fn` has nothing to await: write `async fn f`",
        ),
        (
            "fn f() -> Pin<Box<dyn Future<Output = u8>>> {}",
            "f: callers on other threads may share a load of `f`: write `+ Send`, or `#[async_trait]` without `?Send`",
        ),
        (
            "fn f() -> impl Future<Output = u8> {}",
            "fn: `f` returns a future: write `async fn f`, and what the future gives",
        ),
        (
            "async unsafe fn f() {}",
            "unsafe: the cache would call `f` unchecked: cache a safe function that calls it",
        ),
        (
            "async extern \"C\" fn f() {}",
            "extern \"C\": `f` has a foreign ABI: cache a function without `extern` that calls it",
        ),
        (
            "async fn f(id: u64, ...) {}",
            "...: a key needs arguments that have types: remove `...`",
        ),
        (
            "async fn f() -> ! {}",
            "!: a function that never returns has no value to keep: remove `#[cached]`",
        ),
        (
            "async fn f() -> Result<impl Display, E> {}",
            "impl: an entry needs a type with a name: write which one is returned, instead of `impl Trait`",
        ),
        (
            "async fn f(name: &str) -> &str {}",
            "&: an entry outlives the call: return an owned value, such as `String` or `Arc<str>`",
        ),
        (
            "#[cached(ttl = 1s)] async fn f() {}",
            "cached: `f` is already cached: remove one `#[cached]`",
        ),
        (
            "#[cache_core::cached(ttl = 1s)] async fn f() {}",
            "cache_core::cached: `f` is already cached: remove one `#[cached]`",
        ),
        (
            "async fn f(&self);",
            "f: `f` has no body to load with: put `#[cached]` on the implementations",
        ),
        (
            "struct User;",
            "struct: `#[cached]` goes on an `async fn`, in a module, an `impl` or a `trait`",
        ),
        (
            "pub mod users {}",
            "mod: `#[cached]` goes on an `async fn`, in a module, an `impl` or a `trait`",
        ),
    ];
    for (item, mistake) in cases {
        assert_eq!(refused_item(item), [mistake], "{item}");
    }
}

#[test]
fn a_static_reference_is_returned_where_it_stays_in_the_process() {
    let why = "a reference cannot be read back from the shared tier: return `String` or `Arc<str>`, or write \
               `tiers = memory`";
    for returned in [
        "&'static str",
        "Option<&'static str>",
        "(u8, &'static [u8])",
    ] {
        let item = format!("async fn f(name: &str) -> {returned} {{}}");
        assert_eq!(refused_item(&item), [format!("&: {why}")]);
        assert_eq!(refused("ttl = 5m, tiers = redis", &item).len(), 1);
        assert!(refused("ttl = 5m, tiers = memory", &item).is_empty());
    }
    assert_eq!(
        refused(
            "ttl = 5m, tiers = memroy",
            "async fn f() -> &'static str {}"
        )
        .len(),
        1
    );
    assert!(refused_item("async fn f(name: &str) -> fn(&str) -> u8 {}").is_empty());
    assert!(refused_item("async fn f(name: &str) -> Cow<'static, str> {}").is_empty());
}

#[test]
fn a_mutable_self_is_refused() {
    let why = "a hit would skip what the body does to `self`: take `&self`";
    for receiver in ["&mut self", "&'a mut self", "self: &mut Self"] {
        let item = format!("async fn f({receiver}) {{}}");
        assert_eq!(
            refused("ttl = 5m, skip(self)", &item),
            [format!("{receiver}: {why}")]
        );
    }
    assert!(refused("ttl = 5m, skip(self)", "async fn f(mut self) {}").is_empty());
}

#[test]
fn a_method_says_whether_self_identifies_the_value() {
    let why = "only you know whether `self` identifies the value: write `skip(self)` if it does not, else \
               name all parts, as in `key = (self.tenant, id)`";
    for receiver in ["&self", "self", "self: Arc<Self>"] {
        let item = format!("async fn f({receiver}, id: u64) {{}}");
        assert_eq!(refused("ttl = 5m", &item), [format!("{receiver}: {why}")]);
        assert!(refused("ttl = 5m, skip(self)", &item).is_empty());
        assert!(refused("ttl = 5m, key = id", &item).is_empty());
    }
}

#[test]
fn a_nameless_argument_needs_a_key() {
    let why = "the key needs a name for each argument: give this one a name, or write `key = ..`";
    for pattern in ["_", "(_, _)", "Unit {}"] {
        let item = format!("async fn f(id: u64, {pattern}: Unit) {{}}");
        assert_eq!(refused("ttl = 5m", &item), [format!("{pattern}: {why}")]);
        assert!(refused("ttl = 5m, key = id", &item).is_empty());
    }
}

#[test]
fn a_detached_load_owns_its_arguments() {
    let why = "is borrowed, and a detached load outlives the call: take `&T`, `Arc<T>` or another owned value";
    let cases = [
        ("x: Option<&str>", "&: `x`"),
        ("x: &mut Db", "&: `x`"),
        ("x: Cow<'a, str>", "': `x`"),
        ("x: impl Display", "impl: `x`"),
    ];
    for (argument, place) in cases {
        let item = format!("async fn f({argument}) {{}}");
        assert_eq!(
            refused("ttl = 5m, detached", &item),
            [format!("{place} {why}")]
        );
        assert!(refused("ttl = 5m", &item).is_empty());
    }
    assert_eq!(
        refused(
            "ttl = 5m, detached, skip(self)",
            "async fn f(self: Pin<&Self>) {}"
        ),
        [format!("&: `self` {why}")]
    );
    for argument in [
        "x: &Db",
        "x: &'a Db",
        "x: Cow<'static, str>",
        "x: Option<&'static str>",
        "x: T",
    ] {
        assert!(
            refused(
                "ttl = 5m, detached",
                &format!("async fn f<T>({argument}) {{}}")
            )
            .is_empty(),
            "{argument}"
        );
    }
}

#[test]
fn mistakes_leave_the_item_as_it_is() {
    let item = "#[doc = \"d\"] pub fn f<T>(x: T) -> u8 where T: Copy { x; 1 }";
    let expansion = cached::expand(tokens("tll = 5m"), tokens(item)).to_string();
    assert_eq!(expansion.matches("compile_error").count(), 2);
    assert!(expansion.ends_with(&tokens(item).to_string()));
}
