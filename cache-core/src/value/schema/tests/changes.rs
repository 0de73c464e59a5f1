use super::assert_differ;

#[test]
fn the_same_items_have_the_same_shape() {
    let one = shapes!(A: struct A { x: u32, y: Vec<B> } enum B { C(u8), D { e: Option<bool> } });
    let two = shapes!(A: struct A { x: u32, y: Vec<B> } enum B { C(u8), D { e: Option<bool> } });
    assert_eq!(one, two);
}

#[test]
fn a_swapped_pair_of_fields_is_another_schema() {
    assert_differ(
        shapes!(A: struct A { x: u32, y: u32 }),
        shapes!(A: struct A { y: u32, x: u32 }),
    );
}

#[test]
fn a_renamed_field_is_another_schema() {
    assert_differ(
        shapes!(A: struct A { x: u32, y: u32 }),
        shapes!(A: struct A { x: u32, z: u32 }),
    );
}

#[test]
fn a_renamed_struct_is_another_schema() {
    assert_differ(
        shapes!((A, u8): struct A { x: u32 }),
        shapes!((B, u8): struct B { x: u32 }),
    );
    assert_differ(
        shapes!((A, u8): struct A(u32);),
        shapes!((B, u8): struct B(u32);),
    );
    assert_differ(shapes!((A, u8): struct A;), shapes!((B, u8): struct B;));
}

#[test]
fn another_integer_is_another_schema() {
    let narrow = shapes!(A: struct A { x: u32 });
    assert_differ(narrow, shapes!(A: struct A { x: u64 }));
    assert_differ(narrow, shapes!(A: struct A { x: i32 }));
    assert_differ(narrow, shapes!(A: struct A { x: u128 }));
    assert_differ(narrow, shapes!(A: struct A { x: f32 }));
}

#[test]
fn other_variants_are_another_schema() {
    let two = shapes!(A: enum A { X, Y });
    assert_differ(two, shapes!(A: enum A { X, W, Y }));
    assert_differ(two, shapes!(A: enum A { X, Y, Z }));
    assert_differ(two, shapes!(A: enum A { X, Z }));
    assert_differ(two, shapes!(A: enum A { Y, X }));
    assert_differ(two, shapes!(A: enum A { X }));
    assert_differ(two, shapes!(A: enum A { X, Y(()) }));
    assert_differ(two, shapes!(A: enum A { X, Y() }));
    assert_differ(two, shapes!(A: enum A { X, Y {} }));
    assert_differ(
        shapes!(A: enum A { X, Y { a: u8, b: u8 } }),
        shapes!(A: enum A { X, Y { b: u8, a: u8 } }),
    );
    assert_differ(
        shapes!(A: enum A { X(u8), Y(u16) }),
        shapes!(A: enum A { X(u16), Y(u8) }),
    );
}

#[test]
fn more_or_fewer_fields_are_another_schema() {
    let two = shapes!(A: struct A { x: u32, y: u32 });
    assert_differ(two, shapes!(A: struct A { x: u32 }));
    assert_differ(two, shapes!(A: struct A { x: u32, y: u32, z: u32 }));
    assert_differ(
        shapes!(A: struct A(u32, u32);),
        shapes!(A: struct A(u32, u32, u32);),
    );
}

#[test]
fn another_container_is_another_schema() {
    let plain = shapes!(A: struct A { x: u32 });
    let option = shapes!(A: struct A { x: Option<u32> });
    let vector = shapes!(A: struct A { x: Vec<u32> });
    let array = shapes!(A: struct A { x: [u32; 1] });
    let map = shapes!(A: struct A { x: std::collections::HashMap<u32, u32> });
    let all = [plain, option, vector, array, map];
    for (n, one) in all.iter().enumerate() {
        for other in &all[..n] {
            assert_differ(*one, *other);
        }
    }
}

#[test]
fn a_change_deep_in_a_variant_is_another_schema() {
    let before = shapes! { A:
        struct A { x: Option<Vec<B>> }
        enum B { C, D(E) }
        enum E { F, G { h: Option<(u8, I)> } }
        enum I { J, K(u32) }
    };
    let after = shapes! { A:
        struct A { x: Option<Vec<B>> }
        enum B { C, D(E) }
        enum E { F, G { h: Option<(u8, I)> } }
        enum I { J, K(u64) }
    };
    assert_differ(before, after);
}

#[test]
fn another_type_parameter_is_another_schema() {
    assert_differ(
        shapes!(A: struct A { x: P<u8>, y: P<String> } struct P<T> { items: Vec<T> }),
        shapes!(A: struct A { x: P<u8>, y: P<u8> } struct P<T> { items: Vec<T> }),
    );
    assert_differ(
        shapes!(P<P<P<u8>>>: struct P<T> { item: T }),
        shapes!(P<P<P<u16>>>: struct P<T> { item: T }),
    );
    assert_differ(
        shapes!(P<P<P<u8>>>: struct P<T> { item: T }),
        shapes!(P<P<u8>>: struct P<T> { item: T }),
    );
}

#[test]
fn the_content_belongs_to_the_tag_beside_it() {
    let shape = shapes! { A:
        #[serde(tag = "t", content = "c")]
        enum A { X(u8), Y(Vec<B>), Z(Vec<B>) }
        enum B { C(u32), D(u32) }
    };
    let moved = shapes! { A:
        #[serde(tag = "t", content = "c")]
        enum A { X(u8), Y(u8), Z(Vec<B>) }
        enum B { C(u32), D(u32) }
    };
    let deep = shapes! { A:
        #[serde(tag = "t", content = "c")]
        enum A { X(u8), Y(Vec<B>), Z(Vec<B>) }
        enum B { C(u32), D(u64) }
    };
    assert_differ(shape, moved);
    assert_differ(shape, deep);
}
