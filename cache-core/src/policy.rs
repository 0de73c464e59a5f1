//! What a configuration sets for a function, in place of its attribute.

use std::{fmt, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};

use crate::{
    error::{Error, ErrorKind},
    site::Site,
    strategy::{Early, Strategy},
};

/// Lifetimes and strategies of one function, in place of those in its attribute. Fields that are not set leave the
/// attribute as it is. [`CacheBuilder::policies`](crate::CacheBuilder::policies) takes them by function.
///
/// A configuration has the fields below, with times written as in the attribute:
///
/// ```
/// use std::{collections::HashMap, time::Duration};
///
/// use cache_core::{Cache, Policy, cached};
///
/// #[cached(ttl = 5m)]
/// async fn square(n: u64) -> u64 {
///     n * n
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let policies: HashMap<String, Policy> = serde_json::from_str(
///     r#"{
///         "square": { "ttl": "1h30m", "stale_while_revalidate": "10m" },
///         "reports::yearly": { "off": true }
///     }"#,
/// )?;
/// assert_eq!(policies["square"].ttl, Some(Duration::from_mins(90)));
/// let cache = Cache::builder().policies(policies).build().await?;
/// assert_eq!(Cache::scope(cache, square(4)).await, 16);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Policy {
    /// Every call runs the body, and nothing is kept.
    pub off: bool,
    /// The option `ttl`, even if that is a closure.
    pub ttl: Option<Duration>,
    /// The option `none_ttl`.
    pub none_ttl: Option<Duration>,
    /// The option `err_ttl`, even if that is a closure. Only for errors that are `Clone`.
    pub err_ttl: Option<Duration>,
    /// The strategy `refresh_ahead`: the part of its life after which a value is refreshed in the background, above 0
    /// and at most 1; 1 means never. Not for functions whose loads run inline.
    pub refresh_ahead: Option<f64>,
    /// The strategy `early_expiration`; if true, it replaces `refresh_ahead`. Not for functions whose loads run inline.
    pub early_expiration: Option<bool>,
    /// The strategy `stale_while_revalidate`. Functions whose loads run inline serve a stale value only for ten seconds after a
    /// load that failed.
    pub stale_while_revalidate: Option<Duration>,
    /// The strategy `stale_if_error`.
    pub stale_if_error: Option<Duration>,
    /// The strategy `stale_if_invalidated`. Not for functions whose loads run inline.
    pub stale_if_invalidated: Option<Duration>,
    /// The option `soft_timeout`, for functions with `stale_if_error`. Not for functions whose loads run inline.
    pub soft_timeout: Option<Duration>,
    /// The option `timeout`: another duration for functions that have it.
    pub timeout: Option<Duration>,
    /// The option `max_concurrent_loads`.
    pub max_concurrent_loads: Option<u32>,
    /// The option `fleet`. Not for functions of many keys.
    pub fleet: Option<bool>,
}

impl Policy {
    /// # Errors
    ///
    /// What makes no sense in it.
    pub(crate) fn check(&self, function: &str) -> Result<(), Error> {
        let refuse = |what: &str| {
            let message = format_args!("the policy of `{function}`: {what}");
            Err(Error::new(ErrorKind::Configuration, message))
        };
        if self
            .refresh_ahead
            .is_some_and(|part| !(part > 0.0 && part <= 1.0))
        {
            return refuse(
                "`refresh_ahead` lies between 0 and 1: write for instance 0.8, or 1.0 for never",
            );
        }
        if self.refresh_ahead.is_some_and(|part| part < 1.0) && self.early_expiration == Some(true)
        {
            return refuse(
                "`refresh_ahead` and `early_expiration` both say when a fresh value is loaded anew: leave one of them out",
            );
        }
        if self.ttl.is_some_and(|ttl| ttl.is_zero()) {
            return refuse("a `ttl` of zero keeps nothing: write `off: true` if that is meant");
        }
        let limits = [
            (self.timeout, "`timeout`"),
            (self.soft_timeout, "`soft_timeout`"),
        ];
        for (limit, name) in limits {
            if limit.is_some_and(|limit| limit.is_zero()) {
                return refuse(&format!(
                    "no load is over in no time: write a longer {name}, or leave it out"
                ));
            }
        }
        if let (Some(soft), Some(timeout)) = (self.soft_timeout, self.timeout)
            && soft >= timeout
        {
            return refuse(
                "`timeout` is sooner than `soft_timeout`: write a shorter `soft_timeout`",
            );
        }
        if let (Some(error), Some(revalidate)) = (self.stale_if_error, self.stale_while_revalidate)
            && !error.is_zero()
            && error <= revalidate
        {
            return refuse(
                "a stale value is served for longer by `stale_while_revalidate`: write a longer `stale_if_error`, or leave it out",
            );
        }
        if self.max_concurrent_loads == Some(0) {
            return refuse("no load could ever run: `max_concurrent_loads` is at least 1");
        }
        Ok(())
    }

    /// The strategy of a function that has this one by its attribute.
    pub(crate) fn strategy(&self, own: Option<Strategy>, site: &Site) -> Option<Strategy> {
        let mut strategy = own.unwrap_or(Strategy::new());
        strategy.early = self.early(strategy.early);
        let set = |own: &mut Duration, time: Option<Duration>| *own = time.unwrap_or(*own);
        set(
            &mut strategy.stale_while_revalidate,
            self.stale_while_revalidate,
        );
        set(&mut strategy.stale_if_error, self.stale_if_error);
        set(
            &mut strategy.stale_if_invalidated,
            self.stale_if_invalidated,
        );
        strategy.soft_timeout = self.soft_timeout.or(strategy.soft_timeout);
        strategy.timeout = strategy.timeout.and(self.timeout).or(strategy.timeout);
        if !site.is_in_memory() {
            // It keeps no old values, and nothing that says when one is tried to be replaced.
            strategy = Strategy {
                timeout: strategy.timeout,
                ..Strategy::new()
            };
        }
        (own.is_some() || strategy != Strategy::new()).then_some(strategy)
    }

    /// When a fresh value is loaded anew, of a function that does so by its attribute. Each field turns off what it is
    /// about.
    fn early(&self, own: Early) -> Early {
        let is_never = |part: f64| part >= 1.0;
        match (own, self.refresh_ahead, self.early_expiration) {
            (_, _, Some(true)) => Early::ByChance,
            (_, Some(part), _) if !is_never(part) => Early::From(part),
            (Early::From(_), Some(_), _) | (Early::ByChance, _, Some(false)) => Early::Never,
            _ => own,
        }
    }

    /// What of it does nothing, beside what the attribute of the function says, in words.
    pub(crate) fn says_in_vain(&self, strategy: &Strategy, site: &Site) -> Vec<&'static str> {
        let is_sooner = |timeout| strategy.soft_timeout.is_some_and(|soft| soft >= timeout);
        let is_long = |time: Option<Duration>| time.is_some_and(|time| !time.is_zero());
        let keeps_none = strategy.stale_if_error.is_zero();
        let (is_in_memory, whole) = (site.is_in_memory(), Site::new());
        let in_vain = [
            (
                !is_in_memory && self.strategy(None, site) != self.strategy(None, &whole),
                "its strategies are about old values, and `tiers = redis` keeps none: set lifetimes and `timeout` alone",
            ),
            (
                self.soft_timeout.is_some() && keeps_none && is_in_memory,
                "its `soft_timeout` serves a stale value, and none is kept: set `stale_if_error` too",
            ),
            (
                self.soft_timeout.is_some()
                    && !keeps_none
                    && strategy.timeout.is_some_and(is_sooner),
                "its `soft_timeout` is no shorter than the `timeout` of the function",
            ),
            (
                self.timeout.is_some() && strategy.timeout.is_none(),
                "its `timeout` is an error that only a function gives whose attribute has one: write `timeout` there too",
            ),
            (
                is_long(self.stale_if_invalidated) && site.events().is_none(),
                "its `stale_if_invalidated` is about events, and the function has none: write `invalidate_on` in the attribute",
            ),
            (
                self.fleet == Some(true) && site.is_batched(),
                "its `fleet` is not for functions of many keys: leave it out",
            ),
            (
                self.fleet == Some(true) && !site.is_shared(),
                "its `fleet` is about Redis, where the function keeps nothing: leave it out",
            ),
        ];
        let in_vain = in_vain.into_iter().filter(|(is_in_vain, _)| *is_in_vain);
        in_vain.map(|(_, said)| said).collect()
    }
}

const FIELDS: [&str; 13] = [
    "off",
    "ttl",
    "none_ttl",
    "err_ttl",
    "refresh_ahead",
    "early_expiration",
    "stale_while_revalidate",
    "stale_if_error",
    "stale_if_invalidated",
    "soft_timeout",
    "timeout",
    "max_concurrent_loads",
    "fleet",
];

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct("Policy", &FIELDS, Fields)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Policy;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the lifetimes and strategies of a function")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Policy, A::Error> {
        let mut policy = Policy::default();
        while let Some(name) = fields.next_key::<String>()? {
            let time = match &*name {
                "ttl" => &mut policy.ttl,
                "none_ttl" => &mut policy.none_ttl,
                "err_ttl" => &mut policy.err_ttl,
                "stale_while_revalidate" => &mut policy.stale_while_revalidate,
                "stale_if_error" => &mut policy.stale_if_error,
                "stale_if_invalidated" => &mut policy.stale_if_invalidated,
                "soft_timeout" => &mut policy.soft_timeout,
                "timeout" => &mut policy.timeout,
                "off" => {
                    policy.off = fields.next_value()?;
                    continue;
                }
                "refresh_ahead" => {
                    policy.refresh_ahead = fields.next_value()?;
                    continue;
                }
                "early_expiration" => {
                    policy.early_expiration = fields.next_value()?;
                    continue;
                }
                "fleet" => {
                    policy.fleet = fields.next_value()?;
                    continue;
                }
                "max_concurrent_loads" => {
                    policy.max_concurrent_loads = fields.next_value()?;
                    continue;
                }
                _ => return Err(A::Error::unknown_field(&name, &FIELDS)),
            };
            let written: Option<Time> = fields.next_value()?;
            *time = written.map(|Time(written)| written);
        }
        Ok(policy)
    }
}

/// A time as the attribute takes it.
struct Time(Duration);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        time(&text).map(Self).ok_or_else(|| {
            D::Error::custom(format_args!(
                "`{text}` is no time: write `500ms`, `5m` or `1h30m`"
            ))
        })
    }
}

/// Reads `1h30m`: whole numbers, each with its unit.
fn time(text: &str) -> Option<Duration> {
    let (mut total, mut rest) = (Duration::ZERO, text);
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(unit_at);
        let next_at = after
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, next) = after.split_at(next_at);
        let number: u64 = number.parse().ok()?;
        let seconds = |size| number.checked_mul(size).map(Duration::from_secs);
        let part = match unit {
            "d" => seconds(86_400)?,
            "h" => seconds(3_600)?,
            "m" => seconds(60)?,
            "s" => seconds(1)?,
            "ms" => Duration::from_millis(number),
            "us" => Duration::from_micros(number),
            _ => return None,
        };
        total = total.checked_add(part)?;
        rest = next;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::Tiers;

    fn read(text: &str) -> Result<Policy, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn every_field_is_read_by_its_name() {
        for field in FIELDS {
            let value = match field {
                "off" | "early_expiration" | "fleet" => "true",
                "refresh_ahead" => "0.5",
                "max_concurrent_loads" => "4",
                _ => "\"1h30m\"",
            };
            let policy = read(&format!("{{ \"{field}\": {value} }}")).unwrap();
            assert_ne!(policy, Policy::default(), "{field}");
        }
        // As some configurations write what is left out.
        assert_eq!(
            read("{ \"ttl\": null, \"fleet\": null }").unwrap(),
            Policy::default()
        );
    }

    #[test]
    fn what_is_no_field_or_no_time_is_refused_with_what_is() {
        let refusal = read("{ \"tll\": \"5m\" }").unwrap_err();
        assert!(refusal.starts_with("unknown field `tll`, expected one of `off`, `ttl`"));
        for text in [
            "",
            "5",
            "m",
            "5 m",
            "-5m",
            "5x",
            "1h30",
            "99999999999999999999s",
        ] {
            let refusal = read(&format!("{{ \"ttl\": \"{text}\" }}")).unwrap_err();
            assert!(
                refusal.contains("write `500ms`, `5m` or `1h30m`"),
                "{refusal}"
            );
        }
        assert_eq!(time("1h30m"), Some(Duration::from_mins(90)));
        assert_eq!(time("2d1ms"), Some(Duration::from_millis(172_800_001)));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_function() {
        for text in [
            "{ \"refresh_ahead\": 0.0 }",
            "{ \"refresh_ahead\": 1.5 }",
            "{ \"timeout\": \"0s\" }",
            "{ \"soft_timeout\": \"0s\" }",
            "{ \"timeout\": \"1s\", \"soft_timeout\": \"1s\" }",
            "{ \"refresh_ahead\": 0.5, \"early_expiration\": true }",
            "{ \"ttl\": \"0s\" }",
            "{ \"stale_if_error\": \"1m\", \"stale_while_revalidate\": \"1m\" }",
            "{ \"max_concurrent_loads\": 0 }",
        ] {
            let refusal = read(text).unwrap().check("shop::user").unwrap_err();
            assert!(
                refusal
                    .to_string()
                    .starts_with("the policy of `shop::user`: ")
            );
        }
        for text in [
            "{ \"off\": true }",
            "{ \"refresh_ahead\": 1.0, \"early_expiration\": true }",
        ] {
            assert!(read(text).unwrap().check("user").is_ok());
        }
    }

    #[test]
    fn each_field_turns_off_the_strategy_that_it_is_about_and_no_other() {
        let early = |text: &str, own| read(text).unwrap().early(own);
        for (text, of_ahead, of_chance) in [
            ("{}", Early::From(0.5), Early::ByChance),
            (
                "{ \"refresh_ahead\": 0.8 }",
                Early::From(0.8),
                Early::From(0.8),
            ),
            ("{ \"refresh_ahead\": 1.0 }", Early::Never, Early::ByChance),
            (
                "{ \"early_expiration\": false }",
                Early::From(0.5),
                Early::Never,
            ),
            (
                "{ \"early_expiration\": true }",
                Early::ByChance,
                Early::ByChance,
            ),
        ] {
            assert_eq!(early(text, Early::From(0.5)), of_ahead, "{text}");
            assert_eq!(early(text, Early::ByChance), of_chance, "{text}");
            let is_on = early(text, Early::Never) != Early::Never;
            let is_said = text.contains("0.8") || text.contains("true");
            assert_eq!(is_on, is_said, "{text}");
        }
    }

    #[test]
    fn what_does_nothing_is_seen_beside_the_attribute() {
        let site = Site::new();
        let says = |text: &str, own: Strategy, site: &Site| -> Vec<String> {
            let policy = read(text).unwrap();
            let strategy = policy.strategy(Some(own), site).unwrap();
            let in_vain = policy.says_in_vain(&strategy, site).into_iter();
            // The option that it is about.
            in_vain
                .filter_map(|said| said.split('`').nth(1).map(str::to_owned))
                .collect()
        };
        let second = Duration::from_secs(1);
        let forgiving = Strategy::new().stale_if_error(second);
        let soft = "{ \"soft_timeout\": \"1s\" }";
        assert_eq!(says(soft, Strategy::new(), &site), ["soft_timeout"]);
        assert!(says(soft, forgiving, &site).is_empty());
        assert_eq!(
            says(soft, forgiving.timeout(second), &site),
            ["soft_timeout"]
        );
        assert!(says(soft, forgiving.timeout(second * 2), &site).is_empty());
        let hard = "{ \"timeout\": \"1s\" }";
        assert_eq!(says(hard, Strategy::new(), &site), ["timeout"]);
        assert!(says(hard, Strategy::new().timeout(second * 2), &site).is_empty());
        let void = "{ \"stale_if_invalidated\": \"1s\" }";
        assert_eq!(says(void, Strategy::new(), &site), ["stale_if_invalidated"]);
        assert!(
            says(
                "{ \"stale_if_invalidated\": \"0s\" }",
                Strategy::new(),
                &site
            )
            .is_empty()
        );
        let fleet = "{ \"fleet\": true }";
        assert!(says(fleet, Strategy::new(), &site).is_empty());
        let batched = Site::new().batched();
        assert_eq!(says(fleet, Strategy::new(), &batched), ["fleet"]);
        let in_memory = Site::new().tiers(Tiers::Memory);
        assert_eq!(says(fleet, Strategy::new(), &in_memory), ["fleet"]);
        let in_redis = Site::new().tiers(Tiers::Redis);
        let stale = read("{ \"stale_if_error\": \"1h\", \"soft_timeout\": \"1s\" }").unwrap();
        assert_eq!(stale.strategy(None, &in_redis), None);
        assert_eq!(stale.says_in_vain(&Strategy::new(), &in_redis).len(), 1);
        let lives = read("{ \"ttl\": \"1h\" }").unwrap();
        assert!(lives.says_in_vain(&Strategy::new(), &in_redis).is_empty());
    }
}
