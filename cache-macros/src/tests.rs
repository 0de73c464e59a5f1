//! Tests of what the macros accept, refuse and generate. Whether expansions compile is tested where
//! the runtime is.

mod batches;
mod durations;
mod editing;
mod events;
mod expansions;
mod graph;
mod key_shapes;
mod mutations;
mod options;
mod refusals;
mod renaming;
mod spans;
mod strategies;
mod suggestions;
mod text_keys;
mod travel;

use proc_macro2::TokenStream;

use crate::{cached, features::Features};

fn tokens(source: &str) -> TokenStream {
    source.parse().expect("the test is Rust")
}

/// What is refused, each as ``where: why``.
fn refused(options: &str, item: &str) -> Vec<String> {
    refused_with(Features::ALL, options, item)
}

fn refused_with(features: Features, options: &str, item: &str) -> Vec<String> {
    let Err(error) = cached::try_expand(tokens(options), tokens(item), features) else {
        return Vec::new();
    };
    let mistakes = error.into_iter().map(|mistake| {
        let place = mistake.span().source_text().unwrap_or_default();
        format!("{place}: {mistake}")
    });
    mistakes.collect()
}

/// What is refused of the options, for a function that allows all of them.
fn refused_options(options: &str) -> Vec<String> {
    refused(
        options,
        "async fn user(db: &Db, tenant: Tenant, id: u64) -> Result<User, DbError> {}",
    )
}

/// What is refused of a function.
fn refused_item(item: &str) -> Vec<String> {
    refused("ttl = 5m", item)
}
