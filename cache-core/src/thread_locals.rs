//! The thread-locals of the standard library, or under `--cfg shuttled` those of `shuttle`, whose threads take turns on one
//! of the system's. A leaf.

#[cfg(not(all(test, shuttled)))]
pub(crate) use std::thread_local;

#[cfg(all(test, shuttled))]
pub(crate) use self::shuttled::{OfCell, OfRefCell};
#[cfg(all(test, shuttled))]
pub(crate) use shuttle::thread_local;

/// What the standard library's keys do besides.
#[cfg(all(test, shuttled))]
mod shuttled {
    use std::cell::{Cell, RefCell};

    use shuttle::thread::LocalKey;

    pub(crate) trait OfCell<T> {
        fn get(&'static self) -> T;
        fn set(&'static self, value: T);
    }

    impl<T: Copy> OfCell<T> for LocalKey<Cell<T>> {
        fn get(&'static self) -> T {
            self.with(Cell::get)
        }

        fn set(&'static self, value: T) {
            self.with(|cell| cell.set(value));
        }
    }

    pub(crate) trait OfRefCell<T> {
        fn with_borrow<R>(&'static self, look: impl FnOnce(&T) -> R) -> R;
        fn with_borrow_mut<R>(&'static self, change: impl FnOnce(&mut T) -> R) -> R;
        fn replace(&'static self, value: T) -> T;
    }

    impl<T> OfRefCell<T> for LocalKey<RefCell<T>> {
        fn with_borrow<R>(&'static self, look: impl FnOnce(&T) -> R) -> R {
            self.with(|cell| look(&cell.borrow()))
        }

        fn with_borrow_mut<R>(&'static self, change: impl FnOnce(&mut T) -> R) -> R {
            self.with(|cell| change(&mut cell.borrow_mut()))
        }

        fn replace(&'static self, value: T) -> T {
            self.with(|cell| cell.replace(value))
        }
    }
}
