//! What the compiler says to the body of a cached function is what it says to that of the plain one.
//!
//! Each case of `ui/body` is compiled with its attribute and with one of the same length that does nothing. It is a
//! crate of its own, as the compiler stops at the first phase that finds a mistake.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::LazyLock,
};

use serde_json::{Value, json};

/// How the line starts that makes a function of a case cached.
const ATTRIBUTE: &str = "#[cache_core::cached(";

#[rustversion::attr(
    not(stable(1.95)),
    ignore = "what is known to differ is that of Rust 1.95"
)]
#[test]
fn errors_in_the_body_are_those_of_the_plain_function() {
    compare("errors");
}

#[rustversion::attr(
    not(stable(1.95)),
    ignore = "what is known to differ is that of Rust 1.95"
)]
#[test]
fn warnings_in_the_body_are_those_of_the_plain_function() {
    compare("warnings");
}

/// How one source is compiled.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Form {
    Plain,
    /// With the attribute as it is written.
    Cached,
    /// With the option `inline` beside the others, so that the body borrows what the function does.
    Inline,
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Cached => "cached",
            Self::Inline => "inline",
        }
    }

    /// The source in this form; nothing where that is the same as in another.
    fn of(self, source: &str) -> Option<String> {
        // What is not used is not loaded, and then not looked through for what a name may mean.
        let source = &format!("{source}\nextern crate cache_core as _;\n");
        let attribute = source
            .lines()
            .find(|line| line.trim_start().starts_with(ATTRIBUTE));
        let attribute = attribute
            .expect("a case has a cached function")
            .trim_start();
        match self {
            Self::Cached => Some(source.to_owned()),
            Self::Plain => {
                // An attribute too, so that the function starts where it does.
                let plain = format!(
                    "#[cfg(all()){}]",
                    " ".repeat(attribute.len() - "#[cfg(all())]".len())
                );
                Some(source.replace(attribute, &plain))
            }
            Self::Inline => {
                let is_free = !attribute.contains("detached");
                is_free.then(|| source.replace(attribute, &attribute.replace(")]", ", inline)]")))
            }
        }
    }
}

/// What the compiler says to each case of a kind, in each form.
type Said = BTreeMap<(String, String, Form), Vec<Value>>;

static SAID: LazyLock<Said> = LazyLock::new(|| {
    Scratch::write()
        .expect("the target directory is writable")
        .check()
});

/// How much a case that differs has in common with the plain function.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Common {
    /// As many messages, with the same levels and codes, and each starts where the plain one does.
    Places,
    /// Only what the reason says.
    Less,
}

struct Difference {
    why: &'static str,
    common: Common,
    cases: &'static [&'static str],
}

/// What is known to read differently. All else is the same to the letter, and what no longer differs is to go.
const DIFFERENCES: &[Difference] = &[
    Difference {
        why: "the body is an `async` block: the compiler says so, and has a note about what it returns where a \
              function has a label",
        common: Common::Places,
        cases: &[
            "errors/asks_an_option_in_a_result",
            "errors/asks_without_a_result",
            "errors/breaks_out_of_nothing",
            "errors/ends_in_another_type",
            "errors/ends_in_another_type_in_a_result",
            "errors/forgets_to_await",
            "errors/has_a_value_where_there_is_none",
            "errors/has_branches_of_two_types",
            "errors/holds_two_mistakes",
            "errors/returns_another_type_early",
            "errors/returns_nothing_early",
        ],
    },
    Difference {
        why: "the body captures `self` and what it moves: the compiler does not propose to clone it",
        common: Common::Places,
        cases: &[
            "errors/changes_self",
            "errors/moves_in_a_loop",
            "errors/moves_out_of_a_reference",
            "errors/moves_out_of_self",
            "errors/moves_out_of_self_detached",
            "errors/uses_a_moved_value",
        ],
    },
    Difference {
        why: "the body borrows a copy of what the argument refers to",
        common: Common::Less,
        cases: &["errors/lends_a_reference_to_a_thread"],
    },
    Difference {
        why: "what is parsed once more is reported once more, at braces that are not the same to the compiler",
        common: Common::Less,
        cases: &["errors/ends_in_a_dot"],
    },
    Difference {
        why: "the pattern is taken apart in the body, and its value has a label",
        common: Common::Places,
        cases: &["errors/takes_a_pattern_apart_wrongly"],
    },
    Difference {
        why: "an attribute sees a comment for documentation as an attribute",
        common: Common::Places,
        cases: &["warnings/unused_doc_comment"],
    },
    Difference {
        why: "the key reads the argument",
        common: Common::Less,
        cases: &["warnings/unused_assignment_of_an_argument"],
    },
];

fn compare(kind: &str) {
    let mut faults = Vec::new();
    let mut differing = BTreeSet::new();
    for ((of, case, form), said) in SAID.iter().filter(|((of, ..), _)| of == kind) {
        let name = format!("{kind}/{case}");
        let plain = &SAID[&(of.clone(), case.clone(), Form::Plain)];
        assert!(
            !plain.is_empty(),
            "the compiler has nothing to say to {name}.rs"
        );
        if plain == said {
            continue;
        }
        let known = DIFFERENCES
            .iter()
            .find(|known| known.cases.contains(&&*name));
        let is_known = known
            .is_some_and(|known| known.common == Common::Less || places(plain) == places(said));
        if !is_known {
            faults.push(format!(
                "{name}.rs, {form:?}:\n{}\n--- but plain:\n{}",
                text(said),
                text(plain)
            ));
        }
        differing.insert(name);
    }
    let known = DIFFERENCES
        .iter()
        .flat_map(|known| known.cases)
        .filter(|name| name.starts_with(kind));
    for name in known.filter(|name| !differing.contains(**name)) {
        let why = DIFFERENCES
            .iter()
            .find(|known| known.cases.contains(name))
            .map(|known| known.why);
        faults.push(format!("{name}.rs no longer differs though {why:?}"));
    }
    assert!(
        faults.is_empty(),
        "{} faults:\n\n{}",
        faults.len(),
        faults.join("\n\n")
    );
}

/// The level, the code and the start of each message.
fn places(said: &[Value]) -> Vec<Value> {
    let located = said.iter().filter(|message| message["spans"] != json!([]));
    let place = |message: &Value| {
        let spans = message["spans"].as_array().cloned().unwrap_or_default();
        let primary = spans
            .iter()
            .find(|span| span["is_primary"] == true)
            .cloned()
            .unwrap_or_default();
        json!([
            message["level"],
            message["code"],
            primary["line_start"],
            primary["column_start"]
        ])
    };
    located.map(place).collect()
}

fn text(said: &[Value]) -> String {
    let rendered = said
        .iter()
        .map(|message| message["rendered"].as_str().unwrap_or_default());
    rendered.collect::<Vec<_>>().join("\n")
}

/// A package with a binary for each case in each form.
struct Scratch {
    root: PathBuf,
    said: Said,
}

impl Scratch {
    fn write() -> io::Result<Self> {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("body_errors");
        let mut said = Said::new();
        let mut binaries = vec![manifest()];
        for kind in ["errors", "warnings"] {
            for (case, source) in cases(kind)? {
                for form in [Form::Plain, Form::Cached, Form::Inline] {
                    let Some(source) = form.of(&source) else {
                        continue;
                    };
                    let path = format!("{}/{kind}/{case}.rs", form.name());
                    write(&root.join(&path), &source)?;
                    let name = format!("{}-{kind}-{case}", form.name());
                    binaries.push(format!("[[bin]]\nname = {name:?}\npath = {path:?}\n\n"));
                    said.insert((kind.to_owned(), case.clone(), form), Vec::new());
                }
            }
        }
        write(&root.join("Cargo.toml"), &binaries.concat())?;
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("Cargo.lock");
        write(&root.join("Cargo.lock"), &fs::read_to_string(workspace)?)?;
        Ok(Self { root, said })
    }

    /// Has all of them checked.
    fn check(mut self) -> Said {
        let mut output = self.cargo(&["--offline"]);
        if output.stdout.is_empty() {
            output = self.cargo(&[]);
        }
        let lines = output
            .stdout
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        let mut is_heard = false;
        for line in lines {
            let message: Value = serde_json::from_slice(line).expect("cargo writes JSON");
            if message["reason"] != "compiler-message" {
                continue;
            }
            let name = message["target"]["name"].as_str().unwrap_or_default();
            let mut parts = name.splitn(3, '-').map(str::to_owned);
            let (Some(form), Some(kind), Some(case)) = (parts.next(), parts.next(), parts.next())
            else {
                panic!("a message for {name}: {message}");
            };
            let forms = [Form::Plain, Form::Cached, Form::Inline];
            let form = forms
                .into_iter()
                .find(|known| known.name() == form)
                .expect("the forms are these");
            let said = self
                .said
                .get_mut(&(kind, case, form))
                .expect("every binary is a case");
            said.push(diagnostic(&message["message"], form));
            is_heard = true;
        }
        assert!(
            is_heard,
            "cargo: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        self.said
    }

    /// In the target directory of the workspace, where most of what it needs is.
    fn cargo(&self, arguments: &[&str]) -> Output {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .parent()
            .expect("it is in the target directory");
        Command::new(env!("CARGO"))
            .args([
                "check",
                "--quiet",
                "--bins",
                "--keep-going",
                "--message-format=json",
            ])
            .args(arguments)
            .arg("--target-dir")
            .arg(target)
            .env("CARGO_INCREMENTAL", "0")
            .current_dir(&self.root)
            .output()
            .expect("cargo runs")
    }
}

fn manifest() -> String {
    let runtime = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("cache-core");
    let runtime = runtime.display().to_string();
    format!(
        "[package]\nname = \"body-errors\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
         [dependencies]\ncache-core = {{ path = {runtime:?} }}\n\n[profile.dev]\ndebug = \"line-tables-only\"\n\n"
    )
}

/// The sources of a kind by their names.
fn cases(kind: &str) -> io::Result<Vec<(String, String)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("ui/body")
        .join(kind);
    let paths = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let cases = paths.map(|path| {
        let path = path?;
        let name = path
            .file_stem()
            .expect("a case has a name")
            .to_string_lossy()
            .into_owned();
        Ok((name, fs::read_to_string(&path)?))
    });
    cases.collect()
}

/// Leaves a file alone that is already so: cargo then has not to check it again.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if fs::read_to_string(path).is_ok_and(|written| written == text) {
        return Ok(());
    }
    fs::create_dir_all(path.parent().expect("it is in a folder"))?;
    fs::write(path, text)
}

/// A message of the compiler: all that a reader or an editor sees of it, and not where its crate is.
fn diagnostic(message: &Value, form: Form) -> Value {
    let list = |name: &str| message[name].as_array().cloned().unwrap_or_default();
    let spans: Vec<_> = list("spans").iter().map(|span| place(span, form)).collect();
    let children: Vec<_> = list("children")
        .iter()
        .map(|child| diagnostic(child, form))
        .collect();
    json!({
        "level": message["level"],
        "code": message["code"]["code"],
        "message": message["message"],
        "spans": spans,
        "children": children,
        "rendered": message["rendered"].as_str().map(|text| without_form(text, form)),
    })
}

fn place(span: &Value, form: Form) -> Value {
    let shown = [
        "line_start",
        "column_start",
        "line_end",
        "column_end",
        "is_primary",
        "label",
        "suggested_replacement",
        "suggestion_applicability",
    ];
    let mut place: BTreeMap<_, _> = shown.map(|name| (name, span[name].clone())).into();
    let file = span["file_name"]
        .as_str()
        .map(|name| without_form(name, form));
    place.insert("file_name", json!(file));
    json!(place)
}

fn without_form(text: &str, form: Form) -> String {
    ["errors", "warnings"]
        .iter()
        .fold(text.to_owned(), |text, kind| {
            text.replace(&format!("{}/{kind}/", form.name()), &format!("{kind}/"))
        })
}
