//! Replies of every shape.

use proptest::{collection::vec, prelude::*};
use redis::Value;

use crate::l2::redis::{pulse, time::read_time, version};

/// Any, and more often those that something is read from.
pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        Just(Value::Okay),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_map(Value::Double),
        any::<bool>().prop_map(Value::Boolean),
        "\\PC{0,20}".prop_map(Value::SimpleString),
        vec(any::<u8>(), 0..40).prop_map(Value::BulkString),
        "[0-9.:]{1,20}".prop_map(|text| Value::BulkString(text.into_bytes())),
        "[A-Z]{0,9} .{0,300}".prop_map(|text| error(&text)),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            2 => vec(inner.clone(), 0..4).prop_map(Value::Array),
            1 => vec(inner.clone(), 0..4).prop_map(Value::Set),
            1 => vec((inner.clone(), inner), 0..3).prop_map(Value::Map),
        ]
    })
}

fn error(text: &str) -> Value {
    let line = format!("-{}\r\n", text.replace(['\r', '\n'], " "));
    redis::parse_redis_value(line.as_bytes()).unwrap_or(Value::Nil)
}

proptest! {
    #[test]
    fn whatever_a_server_says_of_itself_is_no_harm(value in any_value(), bytes: Vec<u8>, is_member: bool) {
        let _ = read_time(&value);
        let noise = String::from_utf8_lossy(&bytes);
        let field = format!("redis_version:{noise}\r\nvalkey_version:{noise}\r\n");
        for text in [pulse::text(&value).unwrap_or_default(), &noise, &field] {
            let _ = version::judge(text, is_member);
            let _ = pulse::Origin::read(text);
        }
    }
}
