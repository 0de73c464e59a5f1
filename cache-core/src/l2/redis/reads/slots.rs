//! Reads and ensures on one node of a cluster: a command takes keys of one slot only, so there is one per slot, all
//! pipelined.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use redis::{Pipeline, Value};
use smallvec::SmallVec;

use super::{Answer, Found, Keys};
use crate::l2::{
    StoreError, TAG_LIFE,
    redis::{
        cluster::slot_of,
        fault,
        link::{Link, Stamped},
        tags, together,
    },
};

/// The keys of each slot, and where each of them is among all.
fn by_slot<'a>(keys: &[&'a Keys]) -> BTreeMap<u16, Vec<(usize, &'a str)>> {
    let mut slots = BTreeMap::<_, Vec<_>>::new();
    for (place, key) in keys.iter().flat_map(|keys| keys.iter()).enumerate() {
        slots.entry(slot_of(key)).or_default().push((place, key));
    }
    slots
}

pub(super) async fn read(link: &Link, keys: &[&Keys], within: Duration) -> Answer {
    let live = link.live().ok_or(StoreError::Unavailable)?;
    let slots = by_slot(keys);
    let mut commands = Pipeline::with_capacity(slots.len());
    for keys in slots.values() {
        commands.cmd("MGET");
        for (_, key) in keys {
            commands.arg(*key);
        }
    }
    let Stamped {
        value: values,
        lineage,
        sent,
    } = link.ask_all_stamped(&live, &commands, within).await?;
    let parts = slots.into_values().zip(values);
    let parts = parts.map(|(keys, value)| match value {
        Value::Array(values) => Ok((keys, values)),
        Value::ServerError(error) => match link.blame(&live, fault::answered(&error)) {
            // What it means is for whoever asked to say; the other slots have their answers.
            StoreError::Moving => {
                let moving = vec![Value::ServerError(error); keys.len()];
                Ok((keys, moving))
            }
            error => Err(error),
        },
        _ => Err(fault::odd_reply()),
    });
    Ok(Found {
        values: in_order(keys, parts)?,
        lineage,
        sent,
    })
}

pub(super) async fn ensure(link: &Arc<Link>, keys: &[&Keys], within: Duration) -> Answer {
    let slots = by_slot(keys);
    let parts = slots.into_values().map(|keys| async move {
        let tags: Vec<&str> = keys.iter().map(|(_, key)| *key).collect();
        let found = tags::ensure_now(link, &tags, TAG_LIFE, within).await?;
        Ok((keys, found))
    });
    let parts = together::all(parts).await;
    let parts = parts.into_iter().collect::<Result<Vec<_>, _>>()?;
    let (_, first) = parts.first().ok_or_else(fault::odd_reply)?;
    let lineage = first.lineage;
    if parts.iter().any(|(_, found)| found.lineage != lineage) {
        return Err(StoreError::Unavailable);
    }
    let sent = parts.iter().map(|(_, found)| found.sent).min();
    let parts = parts
        .into_iter()
        .map(|(keys, found)| Ok((keys, found.values)));
    Ok(Found {
        values: in_order(keys, parts)?,
        lineage,
        sent: sent.unwrap_or(0),
    })
}

/// What was found slot by slot, in the order of the keys.
fn in_order<'a, V: IntoIterator<Item = Value>>(
    keys: &[&Keys],
    parts: impl Iterator<Item = Result<(Vec<(usize, &'a str)>, V), StoreError>>,
) -> Result<SmallVec<[Value; 1]>, StoreError> {
    let count = keys.iter().map(|keys| keys.len()).sum();
    let mut values = SmallVec::from_elem(Value::Nil, count);
    let mut found = 0;
    for part in parts {
        let (keys, part) = part?;
        for ((place, _), value) in keys.into_iter().zip(part) {
            values[place] = value;
            found += 1;
        }
    }
    if found == count {
        Ok(values)
    } else {
        Err(fault::odd_reply())
    }
}
