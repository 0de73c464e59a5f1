use super::refused_options;

fn refused(key: &str) -> Vec<String> {
    let place = format!("\"{key}\": ");
    let refused = refused_options(&format!("ttl = 5m, key = \"{key}\""));
    refused
        .into_iter()
        .map(|mistake| mistake.replacen(&place, "", 1))
        .collect()
}

#[test]
fn names_with_a_separator_between_are_a_key() {
    for between in [":", "/", " ", "|", " and "] {
        assert!(
            refused(&format!("user:{{tenant}}{between}{{id}}")).is_empty(),
            "{between:?}"
        );
    }
}

#[test]
fn an_unknown_name_is_refused_with_the_one_that_is_meant() {
    assert_eq!(
        refused("user:{tennant}"),
        ["no argument is called `tennant`, did you mean `tenant`?"]
    );
    assert_eq!(
        refused("user:{xyz}"),
        ["no argument is called `xyz`, there are `db`, `tenant`, `id`"]
    );
}

#[test]
fn names_that_run_into_each_other_are_refused() {
    assert_eq!(
        refused("{tenant}{id}"),
        ["`{tenant}{id}` is ambiguous, it does not show where a value ends: put `:` between"]
    );
    assert_eq!(
        refused("{tenant}-{id}"),
        ["`{tenant}-{id}` is ambiguous, `-` can be part of a value: put `:` between"]
    );
}

#[test]
fn a_key_that_names_no_argument_is_refused() {
    assert_eq!(
        refused("users"),
        [
            "this key is the same for all calls: name an argument, as in `\"user:{id}\"`, or write `key = ()` for one entry"
        ]
    );
}

#[test]
fn positions_and_formats_are_refused() {
    assert_eq!(
        refused("user:{}"),
        ["`{}` has no name: write the argument's, as in `{id}`"]
    );
    assert_eq!(
        refused("user:{0}"),
        ["`{0}` has no name: write the argument's, as in `{id}`"]
    );
    assert_eq!(
        refused("user:{id:?}"),
        ["a key is always written the same way: write `{id}` without a format"]
    );
}

#[test]
fn fields_and_self_are_refused_with_the_tuple_to_write() {
    assert_eq!(
        refused("{tenant.id}"),
        ["`{tenant.id}` is not an argument: write `key = (tenant.id)`"]
    );
    assert_eq!(
        refused("{self}"),
        ["`{self}` is not an argument: write `key = (self)`"]
    );
    assert_eq!(
        refused("user:{tenant.id}:{id}"),
        ["`{tenant.id}` is not an argument: write `key = (tenant.id, id)`"]
    );
}

#[test]
fn spaces_in_braces_are_refused() {
    for key in ["user:{ id }", "user:{id }"] {
        assert_eq!(refused(key), ["write `{id}` without spaces"]);
    }
}

#[test]
fn constants_are_refused_with_the_tuple_to_write() {
    assert_eq!(
        refused("{Self::KIND}:{id}"),
        ["`{Self::KIND}` is not an argument: write `key = (Self::KIND, id)`"]
    );
}

#[test]
fn braces_of_its_own_are_refused() {
    let own = "a text key has no braces of its own, values may contain them: use another character";
    assert_eq!(refused("{{{id}}}"), [own]);
    assert_eq!(refused("{id}}}"), [own]);
    let open = "a brace without its partner: write an argument as `{id}`";
    assert_eq!(refused("user:{id"), [open]);
    assert_eq!(refused("user:id}"), [open]);
    assert_eq!(refused("user:{id{tenant}"), [open]);
}
