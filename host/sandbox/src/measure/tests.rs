use super::*;

fn measured(text: &str) -> Result<Measured, AdmissionError> {
    measure(&wat::parse_str(format!("(component {text})")).unwrap())
}

/// What is counted, by how many times more than the limit lets in.
fn found(text: &str) -> String {
    measured(text).unwrap_err().to_string()
}

#[test]
fn what_every_instance_has_is_counted_for_each() {
    // Two imports, three globals, a memory, a table; five functions, be they referred to ever so often: 10,010 entries.
    let globals = "(global i32 (i32.const 1))".repeat(10_001);
    let module = format!(
        "(core module $m
            (import \"a\" \"b\" (func)) (import \"a\" \"c\" (global i32)) {globals} (memory 0) (table 1 funcref)
            (func $f) (func (export \"g\")) (func (export \"h\"))
            (elem declare func $f $f $f $f $f $f $f $f))"
    );
    let prelude = "(core module $o (func (export \"b\")) (global (export \"c\") i32 (i32.const 0)))
        (core instance $i (instantiate $o)) (alias core export $i \"b\" (core func $x))
        (alias core export $i \"c\" (core global $y))";
    let args = "(with \"a\" (instance (export \"b\" (func $x)) (export \"c\" (global $y))))";
    let instances = |count: usize| {
        format!("{prelude} {module} {}", format!("(core instance (instantiate $m {args}))").repeat(count))
    };
    // 10,010 of each and two of the other.
    assert!(measured(&instances(99)).is_ok());
    let many = found(&instances(100));
    assert!(many.starts_with("it has 1001002 globals, imports"), "{many}");
    let nested = format!("(component $c {})", instances(50));
    assert!(measured(&format!("{nested} (instance (instantiate $c))")).is_ok());
    let twice = found(&format!("{nested} (instance (instantiate $c)) (instance (instantiate $c))"));
    assert!(twice.contains("globals, imports and functions that are referred to"), "{twice}");
}

#[test]
fn an_instance_counts_as_often_as_it_is_instantiated() {
    let inner = "(component $c (core module $m) (core instance (instantiate $m)))";
    let level =
        |inner: &str, times: usize| format!("(component $c {inner} {})", "(instance (instantiate $c))".repeat(times));
    // 1, then 10 times 1 + 1, then 49 times 20 + 1.
    let most = format!("{} {}", level(inner, 10), "(instance (instantiate $c))".repeat(47));
    assert!(measured(&most).is_ok());
    assert!(found(&format!("{most} (instance (instantiate $c))")).contains("instances, expanded; at most 1000"));
    // Under another name it is the same component.
    let again = format!("{most} (export $d \"d\" (component $c)) (instance (instantiate $d))");
    assert!(found(&again).contains("instances, expanded"));
    let outer = format!(
        "{} (component $e (alias outer 1 $c (component $d)) {})",
        level(inner, 10),
        "(instance (instantiate $d))".repeat(48)
    );
    assert!(found(&outer).contains("instances, expanded"));
}

#[test]
fn what_comes_from_elsewhere_can_not_be_counted() {
    let exported = "(component $c (core module $m) (export \"m\" (core module $m)))";
    for text in [
        "(import \"m\" (core module))".to_owned(),
        "(component (import \"c\" (component)))".to_owned(),
        format!("{exported} (instance $i (instantiate $c)) (alias export $i \"m\" (core module $m))"),
    ] {
        assert!(matches!(measured(&text), Err(AdmissionError::FromElsewhere)), "{text}");
    }
}

#[test]
fn names_are_those_of_the_component_itself() {
    let text =
        "(import \"a\" (func)) (component (import \"b\" (func)) (export \"c\" (func 0))) (export \"d\" (func 0))";
    let names = |name: &str| vec![name.to_owned()];
    assert_eq!(measured(text).unwrap(), Measured { imports: names("a"), exports: names("d") });
}

#[test]
fn types_are_counted_in_groups_and_in_one_another() {
    let types = |count: usize| "(type (func))".repeat(count);
    for (around, own) in [
        ("(core module TYPES)", 0),
        ("(core module (rec TYPES))", 1),
        ("(core rec TYPES)", 2),
        ("(core type (module TYPES))", 0),
        ("TYPES", 0),
        ("(type (instance TYPES))", 1),
        ("(component (type (component (type (instance TYPES)))))", 2),
    ] {
        assert!(measured(&around.replace("TYPES", &types(10_000 - own))).is_ok(), "{around}");
        let many = found(&around.replace("TYPES", &types(10_001)));
        assert!(many.contains(" types and declarations in them; at most 10000"), "{around}: {many}");
    }
}

#[test]
fn what_is_no_component_is_refused() {
    let cut = wat::parse_str("(component (core module (func)))").unwrap();
    for bytes in [b"".as_slice(), b"\0asm\x0d\0\x01\0\xff", &cut[..cut.len() - 1]] {
        assert!(matches!(measure(bytes), Err(AdmissionError::NotAComponent { .. })), "{bytes:?}");
    }
}
