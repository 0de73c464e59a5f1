//! Who is in charge of a connection, in many orders of threads. Nobody drives the runtime: supervisors begin to connect to
//! nothing.

use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};

use super::{
    Redis, Target,
    handshake::Wiring,
    link::{ABANDONED, Link},
    supervisor::Supervisor,
};
use crate::{
    clock::system_now,
    coherence::mutant::Mutant,
    shuttled::{in_orders, is_noticed, threads},
};

fn link() -> Arc<Link> {
    let target = Redis::from("redis://127.0.0.1:1").target();
    let Ok(Target::Server(address)) = target else {
        unreachable!("it is the address of one server");
    };
    let wiring = Wiring {
        name: "shuttled",
        in_flight: 1,
    };
    Link::new(address.into(), wiring, None)
}

fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().build();
    runtime.expect("it needs nothing")
}

/// Several find nobody in charge.
fn nobody_in_charge() {
    let (link, runtime) = (link(), runtime());
    let (attended, handle) = (Arc::clone(&link), runtime.handle().clone());
    threads(3, move |_| attended.attend(&handle, system_now()));
    assert_eq!(link.epoch(), 1, "one takes over");
    drop(runtime);
    // The next call finds that it is gone.
    link.attend(self::runtime().handle(), system_now());
    assert_eq!(link.epoch(), 2);
}

#[test]
fn of_those_who_find_nobody_in_charge_one_takes_over() {
    in_orders(nobody_in_charge);
}

#[test]
fn several_that_take_over_are_noticed() {
    is_noticed(Mutant::S7, "one takes over", nobody_in_charge);
}

/// One that was not seen for long is replaced, while it shows itself or goes.
#[test]
fn who_is_replaced_is_not_in_charge_whether_it_comes_back_or_goes() {
    in_orders(|| {
        let (link, runtime) = (link(), runtime());
        let before = link.dismiss();
        assert!(link.sign_of_life(before));
        let (shared, handle) = (Arc::clone(&link), runtime.handle().clone());
        let late = system_now() + ABANDONED;
        threads(3, move |number| match number {
            0 => shared.attend(&handle, late),
            1 => {
                let was_in_charge = shared.sign_of_life(before);
                assert!(was_in_charge || shared.epoch() > before);
            }
            _ => drop(Supervisor::new(Arc::clone(&shared), before)),
        });
        // Where it had gone or was seen before it was looked for, the next call sees to it.
        link.attend(runtime.handle(), late);
        assert!(link.epoch() > before, "somebody else is in charge");
        assert!(!link.sign_of_life(before));
    });
}
