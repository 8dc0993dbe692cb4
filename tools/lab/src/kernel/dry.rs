// SPDX-License-Identifier: GPL-2.0

//! Checks a configuration without building it: the compilers check the files of
//! this project in a kernel, and generate no code. kbuild calls the wrappers in
//! `tools/lab/wrap` in place of the compilers.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::arch::Arch;
use super::kconfig::{self, Settings};
use super::matrix::{Base, Line};
use crate::fetch::apt::Apt;
use crate::fetch::toolchain::Toolchain;
use crate::lab::{Engine, Lab};
use crate::scratch::Scratch;
use crate::tree::Tree;
use crate::{digest, run, ui};

/// The C file that Rust replaces. It is not patched.
const REPLACED: &str = "fs/mnt_idmapping.c";
/// C files that are compiled only with an option, or without (!).
const OPTIONAL: [(&str, &str); 4] = [
    ("fs/tests", "RUST_MNT_IDMAPPING_KUNIT_TEST"),
    (REPLACED, "!RUST_MNT_IDMAPPING"),
    ("fs/posix_acl.c", "FS_POSIX_ACL"),
    ("kernel/capability.c", "MULTIUSER"),
];
/// The filesystems in Rust, and the options that build them.
const SAMPLES: [(&str, &str); 2] = [
    (
        "samples/rust/rust_idmapfs/rust_idmapfs.o",
        "SAMPLE_RUST_IDMAPFS",
    ),
    ("samples/rust/rust_minimal_fs.o", "SAMPLE_RUST_MINIMAL_FS"),
];
/// The options of this project, and the files that declare them. After the first patches of the
/// series, some of them do not exist.
pub(crate) const OWN_OPTIONS: [(&str, &str); 4] = [
    ("RUST_MNT_IDMAPPING", "fs/Kconfig"),
    ("RUST_MNT_IDMAPPING_NESTED", "fs/Kconfig"),
    ("SAMPLE_RUST_IDMAPFS", "samples/rust/Kconfig"),
    ("SAMPLE_RUST_MINIMAL_FS", "samples/rust/Kconfig"),
];
/// The files of a prepared kernel that a line copies.
const TAKEN: [&str; 10] = [
    "/Makefile",
    "/scripts/***",
    "/tools/***",
    "/include/***",
    "/arch/",
    "/arch/x86/",
    "/arch/x86/include/***",
    "/arch/x86/tools/***",
    "/rust/***",
    "/.missing-syscalls.d",
];
/// The files that show that a directory was prepared.
const PREPARED: [&str; 2] = ["rust/libkernel.rmeta", "include/generated/asm-offsets.h"];
const STAMP: &str = "checked";

/// The parts that all lines share.
pub(crate) struct Bench<'a> {
    pub(crate) lab: &'a Lab,
    pub(crate) tree: &'a Tree,
    pub(crate) toolchain: &'a Toolchain,
    seed: PathBuf,
    /// The directory of the wrappers of the compilers.
    wrappers: Scratch,
    rustc: PathBuf,
}

/// The result of a line.
pub(crate) enum Verdict {
    /// The line was good before, and its inputs have not changed.
    Unchanged,
    Good,
    /// The errors, and the log.
    Bad(String, PathBuf),
}

impl<'a> Bench<'a> {
    /// Prepares the guest's kernel, whose programs all lines use. The caller must
    /// hold the lock.
    pub(crate) fn new(lab: &'a Lab, tree: &'a Tree, toolchain: &'a Toolchain) -> Result<Self> {
        let seed = super::build_dir(lab, tree, &Engine::Rust.into());
        Self::with_seed(lab, tree, toolchain, seed)
    }

    /// Likewise, with the programs of another tree's kernel.
    pub(crate) fn with_seed(
        lab: &'a Lab,
        tree: &'a Tree,
        toolchain: &'a Toolchain,
        seed: PathBuf,
    ) -> Result<Self> {
        toolchain.check(lab, &tree.path)?;
        // Older files suffice: kbuild builds those again that differ.
        if !PREPARED.iter().all(|path| seed.join(path).exists()) {
            prepare(lab, tree, toolchain, &seed)?;
        }
        let sysroot = run::output(run::command("rustc").args(["--print", "sysroot"]))?;
        let bench = Self {
            lab,
            tree,
            toolchain,
            seed,
            wrappers: Scratch::below(&lab.cache.path("run"))?,
            rustc: Path::new(sysroot.trim()).join("bin/rustc"),
        };
        bench.wrap()?;
        Ok(bench)
    }

    /// Copies the wrappers of the compilers to a directory, under the names that
    /// kbuild calls.
    fn wrap(&self) -> Result<()> {
        let dir = self.wrappers.path();
        for (stand_in, name) in [
            ("clang", self.toolchain.clang().as_str()),
            ("rustc", "rustc"),
        ] {
            let from = self.lab.checkout.join("tools/lab/wrap").join(stand_in);
            let to = dir.join(name);
            fs::copy(&from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
            fs::set_permissions(&to, fs::Permissions::from_mode(0o755))?;
        }
        let mut clang = run::command(self.toolchain.clang());
        clang
            .args(["-c", "-x", "assembler", "/dev/null", "-o"])
            .arg(dir.join("empty.o"));
        run::output(&mut clang).map(drop)
    }

    /// Checks one line; `only_c` leaves out its Rust.
    pub(crate) fn check(&self, line: &Line, only_c: bool) -> Result<Verdict> {
        let series = &self.tree.source.series;
        let settings = Settings::of_line(self.lab, series, line)?;
        self.check_wishes(line, settings, only_c)
    }

    /// Checks one line in a tree that does not have all of our options.
    pub(crate) fn check_with(
        &self,
        line: &Line,
        options: &BTreeMap<&str, bool>,
    ) -> Result<Verdict> {
        let mut settings = Settings::of_line(self.lab, &self.tree.source.series, line)?;
        let missing = options.iter().filter(|(_, declared)| !**declared);
        missing.for_each(|(option, _)| settings.forget(option));
        self.check_wishes(line, settings, false)
    }

    fn check_wishes(&self, line: &Line, settings: Settings, only_c: bool) -> Result<Verdict> {
        let name = match only_c {
            true => format!("{}-c", line.name),
            false => line.name.to_owned(),
        };
        let key = &self.tree.source.key;
        let dir = self.lab.cache.path(format!("build/{key}/configs/{name}"));
        let stamp = digest::text(&format!(
            "{}\n{}{}{}",
            self.tree.digest,
            settings.text(),
            self.toolchain.description,
            self.wrappers_digest()?
        ));
        if fs::read_to_string(dir.join(STAMP)).is_ok_and(|text| text == stamp) {
            return Ok(Verdict::Unchanged);
        }
        if !dir.join(".config").exists() {
            self.plant(&dir)?;
        }
        match line.base {
            Base::Tiny => {
                super::configure(self.tree, self.toolchain, line.arch, &settings, &dir)?;
            }
            Base::Debian => self.configure_as_debian(line, &settings, &dir)?,
        }
        let config = fs::read_to_string(dir.join(".config"))?;
        let sources = sources(&self.tree.changed, &config);
        let checked: Vec<String> = sources.iter().map(|path| assembly(path)).collect();
        ensure!(!checked.is_empty(), "{name}: no C file is compiled");
        for path in &checked {
            crate::cache::remove(&dir.join(path))?;
        }
        let mut make = self.toolchain.make(&self.tree.path, &dir);
        make.arg(line.arch.make_option())
            .args(["-k", &format!("-j{}", Lab::jobs())])
            .args(&checked);
        if only_c {
            // Of kbuild; the C still sees the option.
            make.arg("CONFIG_RUST=");
        } else {
            let samples = SAMPLES.iter();
            let samples = samples.filter(|(_, option)| kconfig::has(&config, option));
            make.args(samples.map(|(object, _)| object));
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path =
            std::iter::once(self.wrappers.path().to_owned()).chain(std::env::split_paths(&path));
        make.env("PATH", std::env::join_paths(path)?)
            .env("CHECKED", checked.join(" "))
            .env("REAL_CLANG", self.toolchain.clang_path())
            .env("REAL_RUSTC", &self.rustc)
            .env("EMPTY_OBJECT", self.wrappers.path().join("empty.o"));
        let log = self.lab.cache.log(&format!("config-{name}"))?;
        let output = run::finished(&mut make)?;
        let printed = [output.stdout, output.stderr].concat();
        fs::write(&log, &printed)?;
        if !output.status.success() {
            let printed = String::from_utf8_lossy(&printed);
            return Ok(Verdict::Bad(errors(&printed, &self.tree.path), log));
        }
        let missing = checked.iter().find(|path| !dir.join(path).exists());
        ensure!(missing.is_none(), "{name}: {missing:?} was not checked");
        fs::write(dir.join(STAMP), stamp)?;
        Ok(Verdict::Good)
    }

    /// Configures a directory as Debian does, with our options.
    fn configure_as_debian(&self, line: &Line, settings: &Settings, dir: &Path) -> Result<()> {
        let cache = &self.lab.cache;
        let package = format!("linux-config-{}", self.tree.source.series);
        let base = cache.make(&format!("download/{package}"), |path| {
            let apt = Apt::open(cache)?;
            let versions = apt.versions(&package)?;
            let version = versions
                .first()
                .with_context(|| format!("the Debian mirror has no {package}"))?;
            let scratch = Scratch::below(&cache.path("download"))?;
            let file = format!("usr/src/{package}/config.amd64_none_amd64.xz");
            apt.unpack((&package, version), &format!("./{file}"), scratch.path())?;
            let mut xz = run::command("xz");
            xz.arg("-dc").arg(scratch.path().join(&file));
            Ok(fs::write(path, run::output(&mut xz)?)?)
        })?;
        let config = fs::read_to_string(base)? + &settings.text();
        fs::write(dir.join(".config"), config)?;
        let mut make = self.toolchain.make(&self.tree.path, dir);
        make.args([&line.arch.make_option(), "-s", "olddefconfig"]);
        run::output(&mut make).context("the kernel's configuration failed")?;
        settings.check(&dir.join(".config"))
    }

    fn wrappers_digest(&self) -> Result<String> {
        let read = |name: &str| fs::read_to_string(self.wrappers.path().join(name));
        let text = read("rustc")? + &read(&self.toolchain.clang())?;
        Ok(digest::text(&text))
    }

    /// Copies the files that a line does not build itself.
    pub(super) fn plant(&self, dir: &Path) -> Result<()> {
        fs::create_dir_all(dir)?;
        let mut rsync = run::command("rsync");
        rsync.arg("--archive");
        // Programs are needed, objects of the kernel are not.
        rsync.args(TAKEN.map(|path| format!("--include={path}")));
        rsync.arg("--exclude=*").arg(self.seed.join("")).arg(dir);
        run::output(&mut rsync)?;
        super::move_commands(dir, &self.seed, dir)
    }
}

/// Makes the kernel's programs and crates in the directory of the guest's kernel.
fn prepare(lab: &Lab, tree: &Tree, toolchain: &Toolchain, dir: &Path) -> Result<()> {
    let settings = Settings::read(lab, &tree.source.series, &Engine::Rust.into())?;
    super::configure(tree, toolchain, Arch::X86, &settings, dir)?;
    let mut make = toolchain.make(&tree.path, dir);
    make.arg(format!("-j{}", Lab::jobs())).arg("prepare");
    let step = ui::Step {
        cache: &lab.cache,
        label: "the kernel's programs and crates",
        log: "prepare",
        lines: 150,
        verbose: lab.verbose,
    };
    step.run(make)
}

/// Tests of static functions, which the files of these functions include.
const INCLUDED: &str = "fs/tests/rust_permission_";

/// The C files that a configuration compiles, of those that are ours or patched.
fn sources(changed: &[PathBuf], config: &str) -> Vec<PathBuf> {
    const FOLDERS: [&str; 3] = ["fs", "kernel", "security"];
    let is_compiled = |path: &Path| {
        let needs = OPTIONAL.iter().find(|(prefix, _)| path.starts_with(prefix));
        needs.is_none_or(|(_, option)| match option.strip_prefix('!') {
            Some(option) => !kconfig::has(config, option),
            None => kconfig::has(config, option),
        })
    };
    let changed = changed.iter().map(PathBuf::as_path);
    let mut sources: Vec<PathBuf> = changed
        .chain([Path::new(REPLACED)])
        .filter(|path| path.extension().is_some_and(|extension| extension == "c"))
        .filter(|path| FOLDERS.iter().any(|dir| path.starts_with(dir)))
        .filter(|path| !path.to_string_lossy().starts_with(INCLUDED))
        .filter(|path| is_compiled(path))
        .map(Path::to_owned)
        .collect();
    sources.sort();
    sources.dedup();
    sources
}

/// The target that stands for a C file.
fn assembly(path: &Path) -> String {
    path.with_extension("s").display().to_string()
}

/// The first errors of a log with their places, without the tree's path.
fn errors(log: &str, tree: &Path) -> String {
    const MOST: usize = 4;
    let mut found = Vec::new();
    let mut lines = log.lines().peekable();
    while let Some(line) = lines.next() {
        if line.contains(": error: ") || line.contains(": fatal error: ") {
            found.push(line.to_owned());
        } else if line.starts_with("error: ") || line.starts_with("error[") {
            // rustc has the place in the next line.
            let place = lines.peek().and_then(|next| next.split_once("--> "));
            let place = place.map_or(String::new(), |(_, place)| format!("{place}: "));
            found.push(format!("{place}{line}"));
        }
    }
    if found.is_empty() {
        found.extend(
            log.lines()
                .filter(|line| line.contains("***"))
                .map(str::to_owned),
        );
    }
    found.retain(|line| !line.contains("error: aborting due to"));
    found.dedup();
    found.truncate(MOST);
    found
        .join("\n")
        .replace(&format!("{}/", tree.display()), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_their_places() {
        let log = "  CC fs/namei.s\n/t/fs/namei.c:730:9: error: call to undeclared function 'f'\n\
                   error[E0425]: cannot find function `g`\n   --> /t/rust/kernel/fs.rs:3:5\n\
                   make: *** [Makefile:1: x] Error 2\n";
        assert_eq!(
            errors(log, Path::new("/t")),
            "fs/namei.c:730:9: error: call to undeclared function 'f'\n\
             rust/kernel/fs.rs:3:5: error[E0425]: cannot find function `g`"
        );
        let log = "make: *** No rule to make target 'x'.  Stop.\n";
        assert_eq!(errors(log, Path::new("/t")), log.trim_end());
    }

    #[test]
    fn options_choose_the_c_files() {
        let changed = [
            "fs/attr.c",
            "fs/posix_acl.c",
            "rust/helpers/fs.c",
            "fs/x.h",
            "fs/tests/o.c",
            "fs/tests/rust_permission_namei.c",
        ];
        let changed = changed.map(PathBuf::from);
        let names = |config: &str| -> Vec<String> {
            let sources = sources(&changed, config);
            sources.iter().map(|path| assembly(path)).collect()
        };
        assert_eq!(names("CONFIG_RUST_MNT_IDMAPPING=y\n"), ["fs/attr.s"]);
        assert_eq!(
            names("CONFIG_FS_POSIX_ACL=y\n"),
            ["fs/attr.s", "fs/mnt_idmapping.s", "fs/posix_acl.s"]
        );
        let tests = "CONFIG_RUST_MNT_IDMAPPING=y\nCONFIG_RUST_MNT_IDMAPPING_KUNIT_TEST=y\n";
        assert_eq!(names(tests), ["fs/attr.s", "fs/tests/o.s"]);
    }
}
