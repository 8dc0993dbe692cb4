// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Programs in C and Python use the library.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
};

const SOURCES: &str = env!("CARGO_MANIFEST_DIR");

/// A directory with the library by its names, which is removed with this value.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("idmap-c.{name}.{}", std::process::id()));
        fs::create_dir(&path).expect("a new directory");
        // cargo builds it in the directory above that of this test.
        let test = env::current_exe().expect("this test");
        let built = test.parent().expect("its directory").join("libidmap_c.so");
        for name in ["libidmap.so", "libidmap.so.0"] {
            symlink(&built, path.join(name)).expect(name);
        }
        fs::create_dir(path.join("empty")).expect("a directory");
        Self(path)
    }

    /// Compiles a program with the library.
    fn compile(&self, source: &str) -> PathBuf {
        let program = self.0.join("program");
        let warnings = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-pedantic"];
        run(Command::new("cc")
            .args(warnings)
            .arg("-I")
            .arg(Path::new(SOURCES).join("include"))
            .arg(Path::new(SOURCES).join(source))
            .arg("-L")
            .arg(&self.0)
            .arg("-lidmap")
            .arg("-o")
            .arg(&program));
        program
    }

    /// A command that finds the library. Root runs it in a mount namespace of its own.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = match is_root() {
            true => {
                let mut command = Command::new("unshare");
                command.arg("--mount").arg(program);
                command
            }
            false => Command::new(program),
        };
        command.env("LD_LIBRARY_PATH", &self.0);
        command
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0)
}

fn run(command: &mut Command) -> Output {
    let output = command.output().expect("the program runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    output
}

#[test]
fn each_function_works_from_c() {
    let place = Place::new("functions");
    let program = place.compile("tests/test.c");
    let mut command = place.command(program);
    if is_root() {
        command.arg(place.0.join("empty"));
    }
    run(&mut command);
}

#[test]
fn the_example_in_c_reports_errors() {
    let place = Place::new("example");
    let program = place.compile("examples/mount.c");
    let empty = place.0.join("empty");
    let mut command = place.command(program);
    let output = command
        .arg("b:0:1000:1")
        .arg(&empty)
        .arg(empty.join("none"))
        .output();
    let output = output.expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("empty"), "{errors}");
}

#[test]
fn the_example_in_python_works() {
    let place = Place::new("python");
    let empty = place.0.join("empty");
    let mut command = place.command("python3");
    command
        .arg(Path::new(SOURCES).join("examples/mount.py"))
        .arg("b:0:1000:1");
    if is_root() {
        command.arg(&empty).arg(&empty);
    }
    let output = run(&mut command);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "b:1000:0:1\n");
}
