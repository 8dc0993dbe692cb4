// SPDX-License-Identifier: GPL-2.0

//! The output of `explain`, and its exit status.

use std::{
    path::Path,
    process::{Child, Stdio},
};

use idmap::{IdMaps, UserNs};

use crate::{
    fixture::Fixture,
    report::{Context, Failure},
    syscalls,
};

/// Runs with a tree of 1000's.
pub(super) fn run(fixture: &mut Fixture, tree: &Path) -> Result<(), Failure> {
    syscalls::chown(tree.join("file"), 1000).context("giving the file back")?;
    let mapped = fixture.idmap("b:1000:7:1", tree, "explained")?;
    let place = mapped.display();
    let explain = "mount-idmapped explain";
    let line = format!("{explain} {place} --as 0 --op create --op stat --try");
    says(
        fixture,
        "somebody whom the map leaves out",
        &line,
        0,
        &[
            "by the mount's map                   7           7  b:1000:7:1",
            "on disk                           1000        1000",
            "creating as uid 0: 0 has no entry in the mount's map: EOVERFLOW",
            "tried: it failed: EOVERFLOW, as explained",
            "tried: it worked, as explained",
        ],
    )?;
    let line = format!("{explain} {place}/file --as 7 --op chmod:600 --op open:rw --try --json");
    says(
        fixture,
        "the owner as seen",
        &line,
        0,
        &[
            "\"owner\":{\"disk\":1000,\"filesystem\":1000,\"mount\":7,\"namespace\":7,\"stat\":7}",
            "\"stored\":{\"user\":1000,\"group\":1000,\"mode\":\"0600\"}",
            "\"tried\":{\"number\":0,\"same\":true}",
        ],
    )?;
    let line = format!("{explain} {place}/file --as 1000 --op chmod:600 --try");
    let words = "7 owns it as seen through the mount, and the caller is 1000 without CAP_FOWNER";
    says(
        fixture,
        "the owner on disk",
        &line,
        0,
        &[words, "EPERM, as explained"],
    )?;

    let mut other = sleeper("b:0:7:1")?;
    let line = format!(
        "{explain} {place}/file --userns {} --op chmod:600 --try",
        other.id()
    );
    let words = [
        "The caller is user 0 and group 0 of its user namespace, 7 and 7 here",
        "it works",
    ];
    says(fixture, "root of a user namespace", &line, 0, &words)?;
    let line = format!(
        "{explain} {place}/file --process {} --op open:w",
        other.id()
    );
    says(
        fixture,
        "a process",
        &line,
        0,
        &["7 and 7 here", "it works"],
    )?;
    let line = format!("{explain} {place}/file --userns {} --as 5", other.id());
    says(
        fixture,
        "nobody",
        &line,
        1,
        &["the user namespace has no uid 5"],
    )?;
    other
        .kill()
        .and_then(|()| other.wait())
        .context("ending a process")?;

    let wrong = [
        (format!("{place} --op fly"), 2, "'fly' is no operation"),
        (format!("{place} --try"), 2, "--op"),
        (format!("{place} --as you"), 2, "'you' is neither an id nor"),
        (
            format!("{place} --userns 4194305"),
            1,
            "there is no such process",
        ),
    ];
    for (arguments, status, words) in wrong {
        let line = format!("{explain} {arguments}");
        says(fixture, "what is wrong is named", &line, status, &[words])?;
    }
    for (operation, words) in [
        ("unlink", "EACCES"),
        ("chown:1000", "EOVERFLOW"),
        ("setfacl:u:5", "EINVAL"),
        ("exec", "EACCES"),
    ] {
        let line = format!("{explain} {place}/file --as 7 --op {operation} --try");
        let line = match operation {
            "unlink" => line.replace("--as 7", "--as 8"),
            "chown:1000" => line.replace("--as 7", "--as 0"),
            _ => line,
        };
        let words = format!("{words}, as explained");
        says(fixture, "and so is the error number", &line, 0, &[&words])?;
    }
    without_statmount(fixture, &mapped)?;
    syscalls::chmod(tree.join("file"), 0o644).context("changing the mode back")?;
    fixture.prepare(&format!("mount-idmapped umount {place}"))
}

/// Where the kernel does not show the map, and has no copy without one.
fn without_statmount(fixture: &mut Fixture, mapped: &Path) -> Result<(), Failure> {
    let place = mapped.display();
    let program = std::env::current_exe().context("finding this program")?;
    let old = |line: &str| format!("{} on-old-kernel {line}", program.display());
    let list = old(&format!("mount-idmapped list {place}"));
    says(
        fixture,
        "list on a kernel without statmount()",
        &list,
        0,
        &["not shown"],
    )?;
    let all = old("mount-idmapped list --json");
    let words = format!("\"target\":\"{place}\"");
    says(
        fixture,
        "the list of all there",
        &all,
        0,
        &[&words, "\"users\":null"],
    )?;
    let replace = old(&format!("mount-idmapped mount --replace {place} /mnt"));
    let words = "another map in place of one came with Linux 6.15";
    says(fixture, "another map there", &replace, 1, &[words])?;
    let explain = format!("mount-idmapped explain {place}/file --as 7 --op chmod:600 --try");
    let hidden = old(&explain);
    let words = "the kernel does not show the map";
    says(fixture, "explain there", &hidden, 1, &[words, "--map"])?;
    let told = format!("{hidden} --map b:1000:7:1");
    let words = ["it works", "as explained"];
    says(fixture, "explain that is told the map", &told, 0, &words)?;
    // With this map the file has no owner, and no stand-in can be made for such a file.
    let lied = format!("{hidden} --map b:1000:8:1");
    let words = ["EOVERFLOW", "not tried"];
    says(fixture, "explain that is told another", &lied, 4, &words)
}

/// Runs a program, and checks its exit status and some of its words.
pub(super) fn says(
    fixture: &mut Fixture,
    what: &str,
    line: &str,
    status: i32,
    words: &[&str],
) -> Result<(), Failure> {
    let ran = fixture.run(0, line)?;
    let text = format!("{}\n{}", ran.output, ran.errors);
    let missing: Vec<&str> = words
        .iter()
        .copied()
        .filter(|word| !text.contains(word))
        .collect();
    let good = missing.is_empty() && ran.status == status;
    let seen = match good {
        true => format!("exit status {status}, and as expected"),
        false => format!("exit status {}, without {missing:?}: {text}", ran.status),
    };
    let expected = format!("exit status {status}, with {words:?}");
    fixture.report.check(what, good, seen, expected);
    Ok(())
}

/// A process that sleeps as root of a user namespace.
fn sleeper(map: &str) -> Result<Child, Failure> {
    let maps: IdMaps = map.parse().context(map)?;
    let userns = UserNs::new(&maps).context(map)?;
    let mut command = userns.command("sleep").context("entering the namespace")?;
    let child = command
        .arg("1000")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn();
    child.context("running sleep")
}
