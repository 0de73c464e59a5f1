//! `#[derive(CacheKey)]` takes every shape of a type, through the public API alone. What the keys look like is
//! checked next to the writer.

#![deny(warnings, clippy::pedantic)]
#![allow(dead_code, reason = "most types are here to compile")]

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, VecDeque},
    marker::PhantomData,
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use cache_core::{CacheKey, KeyWriter};

fn is_key<T: CacheKey + ?Sized>() {}

#[derive(CacheKey)]
struct Named {
    tenant: u32,
    r#type: String,
}

#[derive(CacheKey)]
struct Tuple(u64, bool);

#[derive(CacheKey)]
struct Newtype(u64);

#[derive(CacheKey)]
struct Unit;

#[derive(CacheKey)]
struct Unsized(u8, [Newtype]);

#[derive(CacheKey)]
struct Generic<'a, T: ?Sized, K, const N: usize = 2>
where
    K: Clone,
{
    text: &'a T,
    keys: [K; N],
    kind: PhantomData<K>,
}

#[derive(CacheKey)]
enum Page<T = u32> {
    All,
    Numbered(T),
    Between { from: T, key: T },
    r#Type(),
}

#[derive(CacheKey)]
enum Never {}

#[derive(CacheKey)]
#[cache_key(crate = renamed::inner)]
struct Renamed(u8);

mod renamed {
    pub(crate) use cache_core as inner;
}

macro_rules! declared_with {
    ($name:ident, $type:ty) => {
        #[derive(CacheKey)]
        struct $name {
            key: $type,
            own: u16,
        }
    };
}

declared_with!(Declared, Option<u8>);

#[test]
fn every_shape_derives() {
    is_key::<Named>();
    is_key::<Tuple>();
    is_key::<Newtype>();
    is_key::<Unit>();
    is_key::<Unsized>();
    is_key::<Generic<'static, str, String>>();
    is_key::<Page>();
    is_key::<Page<Page<String>>>();
    is_key::<Never>();
    is_key::<Renamed>();
    is_key::<Declared>();
}

#[test]
fn usual_arguments_are_keys() {
    is_key::<(u64, &str, &mut i128, usize, isize, char, bool, ())>();
    is_key::<(Vec<u8>, [u8; 32], &[u8], Vec<Vec<String>>, VecDeque<i8>)>();
    is_key::<(
        Arc<str>,
        Rc<[u16]>,
        Box<str>,
        Cow<'static, str>,
        Cow<'static, [u8]>,
    )>();
    is_key::<(BTreeMap<String, Option<u8>>, BTreeSet<NonZeroU32>)>();
    is_key::<(Duration, SystemTime, IpAddr, SocketAddr, Arc<dyn CacheKey>)>();
}

#[test]
fn derived_types_nest_in_hand_written_ones() {
    struct Outer(Named, Page);

    impl CacheKey for Outer {
        fn write(&self, key: &mut KeyWriter) {
            key.variant("Outer", |key| {
                self.0.write(key);
                key.sequence([&self.1]);
            });
        }
    }

    is_key::<Outer>();
}
