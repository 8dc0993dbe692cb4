// SPDX-License-Identifier: GPL-2.0

//! `make install` puts each file in its place, and `make uninstall` removes them.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

const FILES: [&str; 7] = [
    "opt/bin/mount-idmapped",
    "sbin/mount.idmapped",
    "opt/share/man/man8/mount-idmapped.8",
    "opt/share/man/man8/mount.idmapped.8",
    "opt/share/bash-completion/completions/mount-idmapped",
    "opt/share/zsh/site-functions/_mount-idmapped",
    "opt/share/fish/vendor_completions.d/mount-idmapped.fish",
];

fn make(task: &str, root: &Path) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("Makefile");
    let output = Command::new("make")
        .arg("-f")
        .arg(file)
        .arg(task)
        .arg(format!("DESTDIR={}", root.display()))
        .arg("PREFIX=/opt")
        .arg(concat!("tool=", env!("CARGO_BIN_EXE_mount-idmapped")))
        .output()
        .expect("make runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

/// The paths of all that is not a directory.
fn files(root: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root).expect("a directory") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

#[test]
fn what_is_installed_is_removed() {
    let root = env::temp_dir().join(format!("install.{}", std::process::id()));
    make("install", &root);
    for name in FILES {
        let status = fs::symlink_metadata(root.join(name)).expect(name);
        assert!(status.len() > 0, "{name}");
    }
    let link = fs::read_link(root.join("sbin/mount.idmapped")).expect("a link");
    assert_eq!(link, Path::new("/opt/bin/mount-idmapped"));
    make("uninstall", &root);
    let mut left = Vec::new();
    files(&root, &mut left);
    assert_eq!(left, Vec::<PathBuf>::new());
    fs::remove_dir_all(&root).expect("it is removed");
}
