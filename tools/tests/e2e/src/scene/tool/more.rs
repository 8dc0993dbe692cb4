// SPDX-License-Identifier: GPL-2.0

//! Other attributes, namespaces without a map, colors, and shell completions.

use std::{fs, path::Path, process::Command};

use super::explaining::says;
use crate::{
    fixture::Fixture,
    inspect,
    report::{Context, Failure},
};

pub(super) fn run(fixture: &mut Fixture, tree: &Path, target: &Path) -> Result<(), Failure> {
    attributes(fixture, tree, target)?;
    namespaces(fixture, tree, target)?;
    terminal(fixture)?;
    shells(fixture)
}

/// Attributes that are taken away, and times of access.
fn attributes(fixture: &mut Fixture, tree: &Path, target: &Path) -> Result<(), Failure> {
    let (s, t) = (tree.display(), target.display());
    let first = fixture.directory("first")?;
    let f = first.display();
    fixture.prepare(&format!("mount --bind {s} {f}"))?;
    fixture.prepare(&format!(
        "mount -o remount,bind,ro,nosuid,noexec,noatime {f}"
    ))?;
    let mount = "mount-idmapped mount --map=b:0:0:1";
    fixture.prepare(&format!(
        "{mount} -o rw,exec,strictatime,nodiratime {f} {t}"
    ))?;
    fixture.check(
        "attributes given, kept and taken away",
        inspect::mount_options(target),
        Ok("rw,nosuid,nodiratime,idmapped".to_owned()),
    );
    fixture.prepare(&format!("mount-idmapped umount {t}"))?;
    for (option, shown) in [
        ("private", ""),
        ("shared", "shared:"),
        ("unbindable", "unbindable"),
    ] {
        fixture.prepare(&format!("{mount} -o {option} {f} {t}"))?;
        let what = format!("-o {option}");
        fixture.check(&what, propagation(target), Ok(shown.to_owned()));
        fixture.prepare(&format!("mount-idmapped umount {t}"))?;
    }
    fixture.prepare(&format!("umount {f}"))
}

/// The first optional field of the mount in /proc/self/mountinfo, without its number.
fn propagation(target: &Path) -> crate::show::SyscallResult<String> {
    let fields = kselftest::mounts::at(target)?.optional;
    let field = fields.first().map_or("", String::as_str);
    Ok(field
        .trim_end_matches(|letter: char| letter.is_ascii_digit())
        .to_owned())
}

/// A user namespace that has no map yet.
fn namespaces(fixture: &mut Fixture, tree: &Path, target: &Path) -> Result<(), Failure> {
    let mut other = Command::new("unshare")
        .args(["--user", "sleep", "1000"])
        .spawn()
        .context("running unshare")?;
    let ours = fs::read_link("/proc/self/ns/user").context("reading a link")?;
    let path = format!("/proc/{}/ns/user", other.id());
    // It takes a moment until it has the namespace.
    while fs::read_link(&path).is_ok_and(|theirs| theirs == ours) {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let (s, t) = (tree.display(), target.display());
    let line = format!("mount-idmapped --map-mount={path} {s} {t}");
    let words = "has no map of users or none of groups yet";
    let refused = fixture.refused("a namespace without a map", 0, &line, words);
    other
        .kill()
        .and_then(|()| other.wait())
        .context("ending a process")?;
    refused
}

/// Colour is for terminals.
fn terminal(fixture: &mut Fixture) -> Result<(), Failure> {
    let explain = "mount-idmapped explain / --op stat";
    let script = fixture.path("script");
    for (what, line, coloured) in [
        ("no colour in a pipe", explain.to_owned(), false),
        (
            "colour on a terminal",
            format!("script -qec '{explain}' /dev/null"),
            true,
        ),
        (
            "no colour on one where NO_COLOR is set",
            format!("NO_COLOR=1 script -qec '{explain}' /dev/null"),
            false,
        ),
    ] {
        fs::write(&script, format!("export TERM=linux\n{line}\n")).context("writing a script")?;
        let ran = fixture.run(0, &format!("sh {}", script.display()))?;
        fixture.check(what, Ok(ran.output.contains("\x1b[32m")), Ok(coloured));
        fixture.check(
            "and it is an answer",
            Ok(ran.output.contains("it works")),
            Ok(true),
        );
    }
    Ok(())
}

/// Completions are taken by the shell.
fn shells(fixture: &mut Fixture) -> Result<(), Failure> {
    let script = fixture.path("completions");
    let text = "mount-idmapped completions bash >$1.bash && . $1.bash && complete -p mount-idmapped\n\
                COMP_WORDS=(mount-idmapped exp) COMP_CWORD=1\n\
                _mount_idmapped mount-idmapped exp mount-idmapped; echo ${COMPREPLY[@]}\n";
    fs::write(&script, text).context("writing a script")?;
    let line = format!("bash {0} {0}", script.display());
    let words = ["-F _mount_idmapped", "\nexplain"];
    says(fixture, "bash completes our words", &line, 0, &words)?;
    let line = "mount-idmapped completions klingon";
    says(
        fixture,
        "no other shells",
        line,
        2,
        &["possible values: bash"],
    )
}
