//! Writes the packages, builds them, and counts what that takes.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::Command,
};

use crate::variants::Variant;

/// A column of the report.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Measure {
    Check,
    Debug,
    Release,
    DebugSize,
    ReleaseSize,
    DebugLines,
    ReleaseLines,
}

impl Measure {
    pub(crate) const ALL: [Self; 7] = [
        Self::Check,
        Self::Debug,
        Self::Release,
        Self::DebugSize,
        Self::ReleaseSize,
        Self::DebugLines,
        Self::ReleaseLines,
    ];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Check => "check, CPU s",
            Self::Debug => "debug, CPU s",
            Self::Release => "release, CPU s",
            Self::DebugSize => "debug, MB",
            Self::ReleaseSize => "release, MB",
            Self::DebugLines => "debug, k IR",
            Self::ReleaseLines => "release, k IR",
        }
    }

    /// How many digits behind the point mean something.
    pub(crate) fn digits(self) -> usize {
        match self {
            Self::DebugLines | Self::ReleaseLines => 0,
            _ => 2,
        }
    }
}

/// The ways of building whose time is taken.
const WAYS: [(Measure, &[&str]); 3] = [
    (Measure::Check, &["check"]),
    (Measure::Debug, &["build"]),
    (Measure::Release, &["build", "--release"]),
];

/// The packages, and what was measured of them.
pub(crate) struct Builds {
    benches: PathBuf,
    folder: PathBuf,
    measured: HashMap<(&'static str, Measure), Vec<f64>>,
}

impl Builds {
    pub(crate) fn new(benches: &Path) -> Self {
        Self {
            benches: benches.to_owned(),
            // Not below `benches`, whose configuration of cargo adds to our crate what only benchmarks need.
            folder: benches.join("../target/build-cost"),
            measured: HashMap::new(),
        }
    }

    /// Makes the package of a variant.
    pub(crate) fn write(&self, variant: &Variant, program: &str) -> Result<(), String> {
        let package = self.folder.join(variant.id);
        let core = self.benches.join("../cache-core");
        let manifest = format!(
            "[package]\nname = \"{}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
             serde = {{ version = \"1\", features = [\"derive\"] }}\n\
             tokio = {{ version = \"1\", features = [\"rt-multi-thread\", \"macros\", \"time\"] }}\n{}\n",
            variant.id,
            variant
                .dependency
                .replace("{core}", &core.to_string_lossy()),
        );
        let written = fs::create_dir_all(package.join("src"))
            .and_then(|()| fs::write(package.join("Cargo.toml"), manifest))
            .and_then(|()| fs::copy(self.benches.join("Cargo.lock"), package.join("Cargo.lock")))
            .and_then(|_| fs::write(package.join("src/main.rs"), program));
        written.map_err(|error| format!("{}: {error}", package.display()))
    }

    /// Builds everything once, so that only the program itself is left to build.
    pub(crate) fn warm(&self, variant: &Variant) -> Result<(), String> {
        WAYS.iter()
            .try_for_each(|(_, way)| self.cargo(variant, way))
    }

    /// Builds the program in each way, and takes the time.
    pub(crate) fn measure(&mut self, variant: &'static Variant) -> Result<(), String> {
        for (measure, way) in WAYS {
            self.touch(variant)?;
            let before = cpu_of_children()?;
            self.cargo(variant, way)?;
            self.record(variant, measure, cpu_of_children()? - before);
        }
        Ok(())
    }

    /// Takes the sizes of the program, without symbols, and of what it is compiled from.
    pub(crate) fn weigh(&mut self, variant: &'static Variant) -> Result<(), String> {
        for (profile, size, lines, more) in [
            (
                "debug",
                Measure::DebugSize,
                Measure::DebugLines,
                &["rustc"][..],
            ),
            (
                "release",
                Measure::ReleaseSize,
                Measure::ReleaseLines,
                &["rustc", "--release"],
            ),
        ] {
            let out = self.target().join(profile);
            let stripped = self.folder.join("stripped");
            let strip = Command::new("strip")
                .arg("-o")
                .arg(&stripped)
                .arg(out.join(variant.id))
                .status();
            if !strip.is_ok_and(|status| status.success()) {
                return Err("`strip` fails: install binutils".to_owned());
            }
            let bytes = fs::metadata(&stripped)
                .map_err(|error| error.to_string())?
                .len();
            self.record(variant, size, as_f64(bytes) / 1e6);
            // What rustc hands to LLVM: before any of its passes, and not split for several threads.
            let emit = [
                "--",
                "--emit=llvm-ir",
                "-Ccodegen-units=1",
                "-Cno-prepopulate-passes",
            ];
            self.touch(variant)?;
            self.cargo(variant, &[more, &emit[..]].concat())?;
            let ir = lines_of(&out.join("deps"), variant)?;
            self.record(variant, lines, as_f64(ir) / 1e3);
        }
        Ok(())
    }

    pub(crate) fn median(&self, variant: &'static Variant, measure: Measure) -> f64 {
        let measured = self.measured.get(&(variant.id, measure));
        let mut values = measured.cloned().unwrap_or_default();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn record(&mut self, variant: &'static Variant, measure: Measure, value: f64) {
        self.measured
            .entry((variant.id, measure))
            .or_default()
            .push(value);
    }

    fn target(&self) -> PathBuf {
        self.folder.join("target")
    }

    fn touch(&self, variant: &Variant) -> Result<(), String> {
        let main = self.folder.join(variant.id).join("src/main.rs");
        let program = fs::read(&main).and_then(|program| fs::write(&main, program));
        program.map_err(|error| format!("{}: {error}", main.display()))
    }

    fn cargo(&self, variant: &Variant, way: &[&str]) -> Result<(), String> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .current_dir(self.folder.join(variant.id))
            .args(way)
            .env("CARGO_TARGET_DIR", self.target())
            .env("CARGO_INCREMENTAL", "0")
            .output()
            .map_err(|error| format!("cargo does not start: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let reason = String::from_utf8_lossy(&output.stderr);
        Err(format!("{} does not build:\n{reason}", variant.id))
    }
}

/// How many lines of LLVM's language the program has.
fn lines_of(deps: &Path, variant: &Variant) -> Result<u64, String> {
    let name = variant.id.replace('-', "_");
    let files = fs::read_dir(deps).map_err(|error| error.to_string())?;
    let mut newest = None;
    for file in files.flatten() {
        let path = file.path();
        let is_ours = path.extension().is_some_and(|extension| extension == "ll")
            && path
                .file_name()
                .is_some_and(|file| file.to_string_lossy().starts_with(&format!("{name}-")));
        let written = file.metadata().and_then(|data| data.modified());
        if let (true, Ok(written)) = (is_ours, written) {
            newest = newest.max(Some((written, path)));
        }
    }
    let (_, path) = newest.ok_or_else(|| format!("rustc has written no IR of {}", variant.id))?;
    let file = fs::File::open(path).map_err(|error| error.to_string())?;
    Ok(BufReader::new(file).split(b'\n').count() as u64)
}

/// The CPU seconds of all ended children: fields 16 and 17 of `/proc/self/stat`, in hundredths (proc(5)).
fn cpu_of_children() -> Result<f64, String> {
    let stat = fs::read_to_string("/proc/self/stat")
        .map_err(|error| format!("/proc/self/stat: {error}"))?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields = after_name.split_whitespace().skip(13).take(2);
    let ticks = fields
        .map(|field| field.parse::<u64>().unwrap_or_default())
        .sum();
    Ok(as_f64(ticks) / 100.0)
}

#[expect(clippy::cast_precision_loss, reason = "nothing here is near 2^52")]
fn as_f64(number: u64) -> f64 {
    number as f64
}
