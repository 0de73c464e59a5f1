//! Numbers, text, collections, pointers and tuples as parts of a key.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, VecDeque},
    marker::PhantomData,
    num::NonZero,
    rc::Rc,
    sync::Arc,
};

use super::{CacheKey, KeyWriter};

macro_rules! integers {
    ($($integer:ty)*) => {$(
        impl CacheKey for $integer {
            #[inline]
            fn write(&self, key: &mut KeyWriter) {
                key.fixed(self.to_le_bytes(), self);
            }
        }

        non_zero!($integer);
    )*};
}

macro_rules! non_zero {
    ($($integer:ty)*) => {$(
        impl CacheKey for NonZero<$integer> {
            #[inline]
            fn write(&self, key: &mut KeyWriter) {
                self.get().write(key);
            }
        }
    )*};
}

integers!(u16 u32 u64 u128 i8 i16 i32 i64 i128);
non_zero!(u8 usize isize);

impl CacheKey for u8 {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        key.fixed([*self], self);
    }

    #[inline]
    fn as_byte_string(items: &[Self]) -> Option<&[u8]> {
        Some(items)
    }
}

impl CacheKey for usize {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        (*self as u64).write(key);
    }
}

impl CacheKey for isize {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        (*self as i64).write(key);
    }
}

impl CacheKey for bool {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        key.fixed([u8::from(*self)], self);
    }
}

impl CacheKey for char {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        key.fixed(u32::from(*self).to_le_bytes(), self);
    }
}

impl CacheKey for str {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        key.text(self);
    }
}

impl CacheKey for String {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        key.text(self);
    }
}

impl<T: CacheKey> CacheKey for Option<T> {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        match self {
            None => key.none(),
            Some(value) => {
                key.tag(1, "+");
                value.write(key);
            }
        }
    }
}

impl<T: CacheKey> CacheKey for [T] {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        match T::as_byte_string(self) {
            Some(bytes) => key.bytes(bytes),
            None => key.sequence(self),
        }
    }
}

impl<T: CacheKey, const N: usize> CacheKey for [T; N] {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        match T::as_byte_string(self) {
            Some(bytes) => key.uncounted(bytes),
            None => key.group(|key| self.iter().for_each(|item| item.write(key))),
        }
    }
}

impl<T: CacheKey> CacheKey for Vec<T> {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        self.as_slice().write(key);
    }
}

impl<T: CacheKey> CacheKey for VecDeque<T> {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        key.sequence(self);
    }
}

impl<T: CacheKey> CacheKey for BTreeSet<T> {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        key.sequence(self);
    }
}

impl<K: CacheKey, V: CacheKey> CacheKey for BTreeMap<K, V> {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        key.entries(self);
    }
}

macro_rules! pointers {
    ($($pointer:ty)*) => {$(
        impl<T: CacheKey + ?Sized> CacheKey for $pointer {
            #[inline]
            fn write(&self, key: &mut KeyWriter) {
                (**self).write(key);
            }
        }
    )*};
}

pointers!(&T &mut T Box<T> Rc<T> Arc<T>);

impl<T: CacheKey + ToOwned + ?Sized> CacheKey for Cow<'_, T> {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        (**self).write(key);
    }
}

macro_rules! tuples {
    () => {};
    ($first:ident $($rest:ident)*) => {
        impl<$first: CacheKey, $($rest: CacheKey),*> CacheKey for ($first, $($rest,)*) {
            #[inline]
            fn write(&self, key: &mut KeyWriter) {
                #[allow(non_snake_case, reason = "a part is named as its type")]
                let ($first, $($rest,)*) = self;
                key.group(|key| {
                    $first.write(key);
                    $($rest.write(key);)*
                });
            }
        }

        tuples!($($rest)*);
    };
}

tuples!(A B C D E F G H I J K L);

impl CacheKey for () {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        key.group(|_| ());
    }
}

impl<T: ?Sized> CacheKey for PhantomData<T> {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        ().write(key);
    }
}
