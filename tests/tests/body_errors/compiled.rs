//! The cases, each compiled in every form, and what the compiler says to them.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};

/// How the line starts that makes a function of a case cached.
const ATTRIBUTE: &str = "#[cache_core::cached(";

/// How one source is compiled.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Form {
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
pub(crate) type Said = BTreeMap<(String, String, Form), Vec<Value>>;

/// What the compiler says to all cases.
pub(crate) fn all() -> Said {
    let scratch = Scratch::write().expect("the target directory is writable");
    scratch.check()
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
