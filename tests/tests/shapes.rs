//! Every shape of function that `#[cached]` and `#[invalidates]` take, as modules: here the lints of clippy see them too.
#![allow(
    clippy::unwrap_used,
    reason = "a shape that does not work is a test that fails"
)]

use std::{collections::BTreeSet, fs, path::Path, process::Termination};

#[path = "../ui/pass/async_traits.rs"]
mod async_traits;
#[path = "../ui/pass/attributes.rs"]
mod attributes;
#[path = "../ui/pass/batches.rs"]
mod batches;
#[path = "../ui/pass/bodies.rs"]
mod bodies;
#[path = "../ui/pass/borrowed_arguments.rs"]
mod borrowed_arguments;
#[path = "../ui/pass/boxed_futures.rs"]
mod boxed_futures;
#[path = "../ui/pass/codecs.rs"]
mod codecs;
#[path = "../ui/pass/detached_methods.rs"]
mod detached_methods;
#[path = "../ui/pass/edition_2024.rs"]
mod edition_2024;
#[path = "../ui/pass/errors.rs"]
mod errors;
#[path = "../ui/pass/events.rs"]
mod events;
#[path = "../ui/pass/forbidden_lints.rs"]
mod forbidden_lints;
#[path = "../ui/pass/futures.rs"]
mod futures;
#[path = "../ui/pass/generics.rs"]
mod generics;
#[path = "../ui/pass/impl_trait.rs"]
mod impl_trait;
#[path = "../ui/pass/instrument.rs"]
mod instrument;
#[path = "../ui/pass/invalidates.rs"]
mod invalidates;
#[path = "../ui/pass/invalidates_on_methods.rs"]
mod invalidates_on_methods;
#[path = "../ui/pass/items_in_bodies.rs"]
mod items_in_bodies;
#[path = "../ui/pass/keys.rs"]
mod keys;
#[path = "../ui/pass/lifetimes.rs"]
mod lifetimes;
#[path = "../ui/pass/macro_rules.rs"]
mod macro_rules;
#[path = "../ui/pass/methods_in_scope.rs"]
mod methods_in_scope;
#[path = "../ui/pass/names.rs"]
mod names;
#[rustfmt::skip]
#[path = "../ui/pass/one_line_bodies.rs"]
mod one_line_bodies;
#[path = "../ui/pass/options.rs"]
mod options;
#[path = "../ui/pass/owned_arguments.rs"]
mod owned_arguments;
#[path = "../ui/pass/patterns.rs"]
mod patterns;
#[path = "../ui/pass/receivers.rs"]
mod receivers;
#[path = "../ui/pass/recursion.rs"]
mod recursion;
#[path = "../ui/pass/renamed_crate.rs"]
mod renamed_crate;
#[path = "../ui/pass/return_types.rs"]
mod return_types;
#[path = "../ui/pass/skipped_arguments.rs"]
mod skipped_arguments;
#[path = "../ui/pass/strategies.rs"]
mod strategies;
#[path = "../ui/pass/trait_methods.rs"]
mod trait_methods;
#[path = "../ui/pass/visibility.rs"]
mod visibility;

// The files that say `crate` or `$crate` mean their own root, which here is this one.
use self::{
    macro_rules::{HOUR, RUNS, own},
    renamed_crate::vendored,
};

macro_rules! hold {
    ($($claim:ident: $shape:ident;)*) => {
        $(#[test]
        fn $claim() -> impl Termination {
            $shape::main()
        })*

        const SHAPES: &[&str] = &[$(stringify!($shape)),*];
    };
}

#[test]
fn every_file_of_shapes_is_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui/pass");
    let files = fs::read_dir(folder).expect("the shapes are there");
    let names = files.map(|file| {
        let path = file.expect("the folder can be read").path();
        let name = path.file_stem().expect("a file has a name");
        name.to_string_lossy().into_owned()
    });
    let run = SHAPES.iter().map(|&shape| shape.to_owned());
    assert_eq!(names.collect::<BTreeSet<_>>(), run.collect());
}

hold! {
    what_async_trait_makes_of_a_function_is_cached: async_traits;
    functions_and_arguments_keep_their_attributes: attributes;
    every_way_out_of_a_body_and_to_wait_in_it_works: bodies;
    what_is_borrowed_is_the_key_that_it_is_owned: borrowed_arguments;
    a_function_that_returns_a_boxed_future_is_cached: boxed_futures;
    every_codec_can_be_written_in_every_form: codecs;
    a_detached_load_owns_a_copy_of_self: detached_methods;
    the_body_has_the_rules_of_its_edition: edition_2024;
    errors_of_every_kind_are_shared_or_their_callers_own: errors;
    an_event_is_named_whole_or_by_its_first_fields: events;
    a_lint_that_is_forbidden_does_not_find_the_expansion: forbidden_lints;
    a_call_is_a_future_as_that_of_a_plain_function: futures;
    each_instantiation_has_entries_of_its_own: generics;
    an_argument_of_an_opaque_type_can_be_a_key_or_beside_it: impl_trait;
    a_span_is_of_the_load_or_of_the_call_by_the_order_of_the_attributes: instrument;
    a_mutation_names_events_by_arguments_and_results: invalidates;
    a_mutation_can_be_any_method: invalidates_on_methods;
    bodies_have_items_and_cached_functions_in_them: items_in_bodies;
    what_has_a_canonical_form_is_a_key: keys;
    lifetimes_stay_what_they_are: lifetimes;
    each_fragment_can_stand_in_a_function_and_its_options: macro_rules;
    no_method_of_a_user_is_taken_for_one_of_the_expansion: methods_in_scope;
    no_name_of_a_user_is_taken_for_one_of_the_expansion: names;
    the_braces_of_a_short_body_are_not_needless: one_line_bodies;
    every_option_can_be_written_in_every_form: options;
    the_body_takes_over_what_the_caller_gives: owned_arguments;
    an_argument_can_be_any_pattern: patterns;
    a_method_can_have_every_receiver: receivers;
    a_function_calls_itself_through_one_that_boxes_the_call: recursion;
    the_crate_can_be_called_anything: renamed_crate;
    layers_of_a_return_type_are_found_by_type: return_types;
    a_function_may_take_many_keys: batches;
    what_is_skipped_needs_no_bound_of_a_key: skipped_arguments;
    old_values_and_slow_loads_are_what_the_function_says: strategies;
    each_implementor_has_entries_of_its_own: trait_methods;
    functions_keep_their_visibility: visibility;
}
