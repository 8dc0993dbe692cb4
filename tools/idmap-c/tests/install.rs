// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `make install-lib` puts the library where a compiler finds it by pkg-config, and `make
//! uninstall-lib` removes it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

const SOURCES: &str = env!("CARGO_MANIFEST_DIR");
const FILES: [&str; 4] = [
    "opt/lib/libidmap.so.0",
    "opt/lib/libidmap.so",
    "opt/include/idmap.h",
    "opt/lib/pkgconfig/libidmap.pc",
];

/// A directory that is removed with this value.
struct Root(PathBuf);

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(command: &mut Command) -> Output {
    let output = command.output().expect("the program runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    output
}

fn make(task: &str, root: &Path) {
    // cargo builds it in the directory above that of this test.
    let test = env::current_exe().expect("this test");
    let built = test.parent().expect("its directory").join("libidmap_c.so");
    run(Command::new("make")
        .arg("-f")
        .arg(Path::new(SOURCES).join("Makefile"))
        .arg(task)
        .arg(format!("DESTDIR={}", root.display()))
        .arg("PREFIX=/opt")
        .arg(format!("library={}", built.display())));
}

/// The words of the file for pkg-config that begin so, with the root before their paths.
fn flags(root: &Path, field: &str) -> Vec<String> {
    let file = root.join("opt/lib/pkgconfig/libidmap.pc");
    let text = fs::read_to_string(file).expect("the file for pkg-config");
    let value = |name: &str, sign: char| {
        let start = format!("{name}{sign}");
        let line = text.lines().find_map(|line| line.strip_prefix(&*start));
        line.expect(name).trim().to_owned()
    };
    let root = root.display().to_string();
    let words = value(field, ':');
    let words = words
        .replace("${libdir}", &(root.clone() + &value("libdir", '=')))
        .replace("${includedir}", &(root + &value("includedir", '=')));
    words.split(' ').map(str::to_owned).collect()
}

#[test]
fn an_installed_library_is_linked_and_removed() {
    let root = env::temp_dir().join(format!("install-lib.{}", std::process::id()));
    let root = Root(root);
    make("install-lib", &root.0);
    for name in FILES {
        let status = fs::metadata(root.0.join(name)).expect(name);
        assert!(status.is_file() && status.len() > 0, "{name}");
    }
    let program = root.0.join("program");
    run(Command::new("cc")
        .arg(Path::new(SOURCES).join("examples/mount.c"))
        .args(flags(&root.0, "Cflags"))
        .args(flags(&root.0, "Libs"))
        .arg("-o")
        .arg(&program));
    let mut command = Command::new(&program);
    command
        .env("LD_LIBRARY_PATH", root.0.join("opt/lib"))
        .args(["b:0:1", "/", "/"]);
    let output = command.output().expect("the program runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("three numbers"), "{errors}");

    fs::remove_file(program).expect("it is removed");
    make("uninstall-lib", &root.0);
    for name in FILES {
        assert!(fs::symlink_metadata(root.0.join(name)).is_err(), "{name}");
    }
}
