//! The options of `#[cached(...)]`: a table of what there is, and what reads each.

use syn::{Error, Expr, ExprPath, Ident, LitStr, Path};

pub(crate) use self::{
    batch::Batch,
    events::Listened,
    strategy::{Kind, Strategy},
};
use self::{
    events::invalidate_on,
    strategy::strategies,
    travel::{codec, compress},
    values::{cache, call, function, integer, key, loads, path, site_name, tiers, time, ttl},
};
use crate::duration::Time;

mod batch;
mod check;
mod events;
mod strategy;
mod travel;
mod values;

/// The value of an option, and where it was given.
pub(crate) struct Given<T> {
    pub(crate) name: Ident,
    pub(crate) value: T,
}

pub(crate) enum Ttl {
    Fixed(Time),
    Of(Box<Expr>),
}

pub(crate) enum Key {
    Text(LitStr),
    Parts(Vec<Expr>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tiers {
    Both,
    Memory,
    Redis,
}

pub(crate) enum Codec {
    Postcard,
    /// A type of the runtime, behind the feature that is called as the word for it.
    Featured {
        word: Ident,
        ty: &'static str,
    },
    Own(ExprPath),
}

#[derive(Default)]
pub(crate) struct Options {
    pub(crate) ttl: Option<Given<Ttl>>,
    pub(crate) key: Option<Given<Key>>,
    pub(crate) skip: Option<Given<Vec<Ident>>>,
    pub(crate) invalidate_on: Option<Given<Listened>>,
    pub(crate) inherits: Option<Given<()>>,
    pub(crate) settle: Option<Given<Time>>,
    pub(crate) fleet: Option<Given<()>>,
    pub(crate) strategy: Option<Given<Vec<Strategy>>>,
    pub(crate) soft_timeout: Option<Given<Time>>,
    pub(crate) timeout: Option<Given<Time>>,
    pub(crate) prefetch: Option<Given<Expr>>,
    pub(crate) batch: Option<Given<Batch>>,
    pub(crate) tiers: Option<Given<Tiers>>,
    pub(crate) none_ttl: Option<Given<Time>>,
    pub(crate) err_ttl: Option<Given<Ttl>>,
    pub(crate) keep_if: Option<Given<Expr>>,
    pub(crate) weight: Option<Given<Expr>>,
    pub(crate) max_concurrent_loads: Option<Given<u32>>,
    pub(crate) version: Option<Given<u32>>,
    pub(crate) name: Option<Given<LitStr>>,
    pub(crate) codec: Option<Given<Codec>>,
    /// The least number of bytes to compress.
    pub(crate) compress: Option<Given<u32>>,
    pub(crate) inline: Option<Given<()>>,
    pub(crate) detached: Option<Given<()>>,
    pub(crate) cache: Option<Given<Expr>>,
    pub(crate) krate: Option<Given<Path>>,
    /// The options that were named, with success or not.
    pub(crate) named: Vec<&'static str>,
    /// The options that may be meant by what is not one.
    pub(crate) meant: Vec<&'static str>,
}

impl Options {
    /// Whether entries never leave the process.
    pub(crate) fn is_memory_only(&self) -> bool {
        self.tiers
            .as_ref()
            .is_some_and(|tiers| tiers.value == Tiers::Memory)
    }

    pub(crate) fn strategies(&self) -> impl Iterator<Item = &Strategy> {
        self.strategy.iter().flat_map(|given| &given.value)
    }

    /// What has a load run that no caller waits for, and that needs a task of its own.
    pub(crate) fn needs_task(&self) -> Option<&Ident> {
        let strategy = self
            .strategies()
            .find(|strategy| strategy.kind.loads_in_background());
        let limits = [&self.soft_timeout, &self.timeout].into_iter().flatten();
        let limit = limits.map(|given| &given.name).next();
        let batch = self.batch.as_ref().map(|given| &given.name);
        strategy.map(|strategy| &strategy.name).or(limit).or(batch)
    }

    /// Where it is said that a call of this function begins another one of it.
    pub(crate) fn prefetches(&self, function: &Ident) -> Option<&Ident> {
        let given = self.prefetch.as_ref()?;
        let is_it = match &given.value {
            Expr::Call(call) => match &*call.func {
                Expr::Path(path) => {
                    let segments = &path.path.segments;
                    let is_near = segments.len() == 1 || segments.first()?.ident == "Self";
                    is_near && segments.last()?.ident == *function
                }
                _ => false,
            },
            Expr::MethodCall(call) => {
                let is_own =
                    matches!(&*call.receiver, Expr::Path(path) if path.path.is_ident("self"));
                is_own && call.method == *function
            }
            _ => false,
        };
        is_it.then_some(&given.name)
    }

    /// Whether the author has said something about this option, though it may not be understood.
    pub(crate) fn is_tried(&self, name: &str) -> bool {
        self.named.contains(&name) || self.meant.contains(&name)
    }
}

/// One option, how it is written, and what reads it.
pub(crate) struct Known {
    pub(crate) name: &'static str,
    pub(crate) form: &'static str,
    pub(crate) read: Read,
}

#[derive(Clone, Copy)]
pub(crate) enum Read {
    /// `option = value`
    Value(fn(&mut Options, Ident, Expr) -> Result<(), Wrong>),
    /// `option(name, name)`
    Names(fn(&mut Options, Ident, Vec<Ident>)),
    /// `option(name in name, max = number)`
    Batch(fn(&mut Options, Ident, Batch)),
    /// `option`
    Flag(fn(&mut Options, Ident)),
}

pub(crate) enum Wrong {
    /// The value does not look like the form of the option.
    Form,
    /// Something else, for which there are better words.
    Because(Error),
}

pub(crate) static KNOWN: [Known; 26] = [
    value(
        "ttl",
        "`ttl = 5m`, an expression of type `Duration`, or `ttl = |value| ..`",
        |o, name, v| give(&mut o.ttl, name, ttl(v, "ttl")),
    ),
    value(
        "key",
        "`key = id`, `key = (tenant, id)` or `key = \"user:{tenant}:{id}\"`",
        |o, name, v| give(&mut o.key, name, key(v)),
    ),
    Known {
        name: "skip",
        form: "`skip(db)`",
        read: Read::Names(|o, name, value| o.skip = Some(Given { name, value })),
    },
    value(
        "invalidate_on",
        "`invalidate_on = UserChanged { id }`, `invalidate_on = [UserChanged { id }, OrderChanged { tenant, .. }]` or \
         `invalidate_on = |user| UserChanged { id: user.id }`",
        |o, name, v| give(&mut o.invalidate_on, name, invalidate_on(v)),
    ),
    flag("inherits", "`inherits`", |o, name| {
        o.inherits = Some(Given { name, value: () });
    }),
    flag("fleet", "`fleet`", |o, name| {
        o.fleet = Some(Given { name, value: () });
    }),
    value("settle", "`settle = 2s`", |o, name, v| {
        give(&mut o.settle, name, time(v, "settle"))
    }),
    value(
        "strategy",
        "`strategy = stale_while_revalidate(1m)`, `strategy = [refresh_ahead(0.8), stale_if_error(1h)]`, or another of \
         `read_through`, `early_expiration` and `stale_if_invalidated(5s)`",
        |o, name, v| give(&mut o.strategy, name, strategies(v)),
    ),
    value("soft_timeout", "`soft_timeout = 50ms`", |o, name, v| {
        give(&mut o.soft_timeout, name, time(v, "soft_timeout"))
    }),
    value("timeout", "`timeout = 2s`", |o, name, v| {
        give(&mut o.timeout, name, time(v, "timeout"))
    }),
    Known {
        name: "batch",
        form: "`batch(id in ids)` or `batch(id in ids, max = 100)`",
        read: Read::Batch(|o, name, value| o.batch = Some(Given { name, value })),
    },
    value("prefetch", "`prefetch = page(number + 1)`", |o, name, v| {
        give(&mut o.prefetch, name, call(v))
    }),
    value(
        "tiers",
        "`tiers = both`, `tiers = memory` or `tiers = redis`",
        |o, name, v| give(&mut o.tiers, name, tiers(&v)),
    ),
    value("none_ttl", "`none_ttl = 10s`", |o, name, v| {
        give(&mut o.none_ttl, name, time(v, "none_ttl"))
    }),
    value(
        "err_ttl",
        "`err_ttl = 10s` or `err_ttl = |error| ..`",
        |o, name, v| give(&mut o.err_ttl, name, ttl(v, "err_ttl")),
    ),
    value("keep_if", "`keep_if = |value| ..`", |o, name, v| {
        give(&mut o.keep_if, name, function(v))
    }),
    value("weight", "`weight = |value| ..`", |o, name, v| {
        give(&mut o.weight, name, function(v))
    }),
    value(
        "max_concurrent_loads",
        "`max_concurrent_loads = 4`",
        |o, name, v| give(&mut o.max_concurrent_loads, name, loads(&v)),
    ),
    value("version", "`version = 2`", |o, name, v| {
        give(&mut o.version, name, integer(&v))
    }),
    value("name", "`name = \"shop::user\"`", |o, name, v| {
        give(&mut o.name, name, site_name(&v))
    }),
    value(
        "codec",
        "`codec = postcard`, `codec = json`, `codec = msgpack`, or `codec = path::to::Own`",
        |o, name, v| give(&mut o.codec, name, codec(v)),
    ),
    value(
        "compress",
        "`compress = 4KiB`, the least size that is compressed",
        |o, name, v| give(&mut o.compress, name, compress(&v)),
    ),
    flag("inline", "`inline`", |o, name| {
        o.inline = Some(Given { name, value: () });
    }),
    flag("detached", "`detached`", |o, name| {
        o.detached = Some(Given { name, value: () });
    }),
    value("cache", "`cache = self.cache`", |o, name, v| {
        give(&mut o.cache, name, cache(v))
    }),
    value("crate", "`crate = path::to::cache_core`", |o, name, v| {
        give(&mut o.krate, name, path(v))
    }),
];

const fn value(
    name: &'static str,
    form: &'static str,
    read: fn(&mut Options, Ident, Expr) -> Result<(), Wrong>,
) -> Known {
    Known {
        name,
        form,
        read: Read::Value(read),
    }
}

const fn flag(name: &'static str, form: &'static str, read: fn(&mut Options, Ident)) -> Known {
    Known {
        name,
        form,
        read: Read::Flag(read),
    }
}

fn give<T>(
    option: &mut Option<Given<T>>,
    name: Ident,
    value: Result<T, Wrong>,
) -> Result<(), Wrong> {
    *option = Some(Given {
        name,
        value: value?,
    });
    Ok(())
}

impl Wrong {
    fn at(tokens: impl quote::ToTokens, message: impl std::fmt::Display) -> Self {
        Self::Because(Error::new_spanned(tokens, message))
    }
}
