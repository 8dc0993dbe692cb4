// SPDX-License-Identifier: GPL-2.0

//! A service whose files are mounted with a map that leaves out root, or the service.

use std::path::Path;

use rustix::io::Errno;

use crate::{
    fixture::Fixture,
    inspect,
    report::Failure,
    show::Owner,
    syscalls::{self, MAKERS, as_user},
    tree::{Entry, make},
};

const SERVICE: u32 = 989;
const WORDS: &str = "Value too large for defined data type";

/// The state of the service: name, type, owner, mode bits.
const STATE: &[(&str, Entry<'static>, u32, u32)] = &[
    ("state", Entry::Directory, SERVICE, 0o755),
    ("state/data", Entry::File(b"data\n"), SERVICE, 0o644),
    ("state/secret", Entry::File(b"secret\n"), SERVICE, 0o600),
    ("state/config", Entry::File(b"config\n"), 0, 0o644),
    // Only the idmap can deny access here.
    ("state/shared", Entry::Directory, 0, 0o1777),
];

pub(crate) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    fixture.say("The state of a service, which runs as user 989:");
    let disk = fixture.disk(|root| {
        let mut entries = STATE.iter();
        entries.try_for_each(|(name, entry, owner, mode)| make(root, name, entry, *owner, *mode))
    })?;
    let state = disk.join("state");
    fixture.run(0, &format!("ls -lnA {}", state.display()))?;

    fixture.say("With a map that leaves out root:");
    let mount = fixture.idmap("b:1:1:65535", &state, "no-root")?;
    fixture.run(0, &format!("ls -lnA {}", mount.display()))?;
    without_root(fixture, &state, &mount)?;

    fixture.say("With a map that leaves out the service:");
    let mount = fixture.idmap("b:0:0:989 b:990:990:64546", &state, "no-service")?;
    fixture.run(0, &format!("ls -lnA {}", mount.display()))?;
    without_service(fixture, &state, &mount)
}

fn without_root(fixture: &mut Fixture, state: &Path, mount: &Path) -> Result<(), Failure> {
    let before = inspect::census(state);
    let line = format!("touch {}", mount.join("of-root").display());
    fixture.refused("root makes a file", 0, &line, WORDS)?;
    for directory in [mount.to_owned(), mount.join("shared")] {
        let name = directory.display();
        for (call, make) in MAKERS {
            let what = format!("root's {call} in {name}");
            fixture.check(&what, make(&directory.join("not")), Err(Errno::OVERFLOW));
        }
    }
    let data = mount.join("data");
    let answer = syscalls::chown(&data, 0);
    fixture.check("root gives data to root", answer, Err(Errno::OVERFLOW));
    let config = mount.join("config");
    let unmapped = inspect::overflow_owner();
    fixture.check(
        "root's config is seen as",
        inspect::owner(&config),
        Ok(unmapped),
    );
    for (what, answer, expected) in [
        (
            "changes its mode",
            syscalls::chmod(&config, 0o666),
            Errno::OVERFLOW,
        ),
        (
            "writes to it",
            syscalls::append(&config, "x\n"),
            Errno::ACCESS,
        ),
        ("removes it", syscalls::unlink(&config), Errno::OVERFLOW),
    ] {
        fixture.check(&format!("root {what}"), answer, Err(expected));
    }
    fixture.check(
        "the owners on disk, as before",
        inspect::census(state),
        before,
    );

    let line = format!("touch {}", mount.join("journal").display());
    fixture.succeeds("the service makes a file", SERVICE, &line)?;
    fixture.check(
        "the file on disk",
        inspect::owner(state.join("journal")),
        Ok(Owner(SERVICE, SERVICE)),
    );
    let append = as_user(SERVICE, || syscalls::append(&data, "more\n"));
    fixture.check("the service writes to data", append, Ok(()));
    let read = as_user(SERVICE, || syscalls::open(&config));
    fixture.check("the service reads config", read, Ok(()));
    let roots = inspect::census(state).map(|census| census.get(&Owner(0, 0)).copied());
    let expected = STATE.iter().filter(|(.., owner, _)| *owner == 0).count();
    let roots = roots.map(|count| count.unwrap_or(0) as u32);
    fixture.check("entries of root on disk", roots, Ok(expected as u32));
    Ok(())
}

fn without_service(fixture: &mut Fixture, state: &Path, mount: &Path) -> Result<(), Failure> {
    let before = inspect::census(state);
    for name in ["", "data", "secret"] {
        let what = format!("/{name} of the state, which is the service's");
        let owner = inspect::owner(mount.join(name));
        fixture.check(&what, owner, Ok(inspect::overflow_owner()));
    }
    let shared = mount.join("shared");
    let line = format!("touch {}", shared.join("not").display());
    fixture.refused("the service makes a file", SERVICE, &line, WORDS)?;
    for directory in [mount, &shared] {
        let name = directory.display();
        for (call, make) in MAKERS {
            let answer = as_user(SERVICE, || make(&directory.join("not")));
            let what = format!("the service's {call} in {name}");
            fixture.check(&what, answer, Err(Errno::OVERFLOW));
        }
    }
    let [data, secret] = ["data", "secret"].map(|name| mount.join(name));
    let service = |call: &(dyn Fn() -> Result<(), Errno> + Sync)| as_user(SERVICE, call);
    fixture.check("it reads data", service(&|| syscalls::open(&data)), Ok(()));
    for (what, answer, expected) in [
        (
            "reads secret",
            service(&|| syscalls::open(&secret)),
            Errno::ACCESS,
        ),
        (
            "writes to data",
            service(&|| syscalls::append(&data, "x\n")),
            Errno::ACCESS,
        ),
        (
            "changes the mode of data",
            service(&|| syscalls::chmod(&data, 0o666)),
            Errno::OVERFLOW,
        ),
        (
            "changes the times of data",
            service(&|| syscalls::set_times(&data)),
            Errno::OVERFLOW,
        ),
        (
            "removes data",
            service(&|| syscalls::unlink(&data)),
            Errno::OVERFLOW,
        ),
    ] {
        fixture.check(&format!("it {what}"), answer, Err(expected));
    }
    let given = syscalls::chown(mount.join("config"), SERVICE);
    let what = "root gives config to the service";
    fixture.check(what, given, Err(Errno::OVERFLOW));
    fixture.check(
        "the owners on disk, as before",
        inspect::census(state),
        before,
    );

    fixture.check(
        "root makes a file",
        syscalls::create(shared.join("of-root")),
        Ok(()),
    );
    let stored = inspect::owner(state.join("shared/of-root"));
    fixture.check("root's file on disk", stored, Ok(Owner(0, 0)));
    let data = as_user(SERVICE, || syscalls::append(state.join("data"), "more\n"));
    fixture.check(
        "the service writes to data, not through the mount",
        data,
        Ok(()),
    );
    Ok(())
}
