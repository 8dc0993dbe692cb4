// SPDX-License-Identifier: GPL-2.0

//! crun: idmapped mounts as the runtime specification of containers has them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    calls, owners,
    rootfs::{make_data, make_rootfs},
};
use crate::{
    fixture::{Fixture, Ran},
    inspect,
    report::{Context, Failure},
    show::Census,
    syscalls,
    tree::{Entry, make},
};
use kselftest::filesystem::{EXT4, VFAT};

const FIRST: u32 = 100_000;
const SHIFT: &str = r#"[{"containerID":0,"hostID":100000,"size":65536}]"#;
const ONE: &str = r#"[{"containerID":1000,"hostID":100000,"size":1}]"#;
/// The script that runs in each container and prints a line for each step.
const SCRIPT: &str = "stat -c %u:%g /data /data/f0 /data/f1000; \
                      touch /data/new && stat -c %u:%g /data/new; \
                      chown 5:5 /data/new && stat -c %u:%g /data/new; \
                      mkdir /data/directory && stat -c %u:%g /data/directory";
const DENIED: &str = "Permission denied";
const OVERFLOW: &str = "Value too large for defined data type";

/// A container and its expected results.
struct Case {
    name: &'static str,
    userns: bool,
    /// The owner of the directory. If this id is unmapped in the container, no file can be created.
    owner: u32,
    /// Of the mount, beside that it is one.
    options: &'static str,
    maps: Option<&'static str>,
    /// The expected output of the container.
    prints: &'static str,
    /// The expected error message of the container, and its number.
    errors: (&'static str, usize),
    /// The owners on the host afterwards, of new files.
    stored: &'static [(&'static str, u32)],
}

const CASES: &[Case] = &[
    Case {
        name: "a namespace, no map of the mount",
        userns: true,
        owner: 0,
        options: "",
        maps: None,
        prints: "65534:65534 65534:65534 65534:65534",
        errors: (DENIED, 2),
        stored: &[],
    },
    Case {
        name: "mappings of the mount",
        userns: true,
        owner: 0,
        options: "",
        maps: Some(SHIFT),
        prints: "0:0 0:0 1000:1000 0:0 5:5 0:0",
        errors: ("", 0),
        stored: &[("new", 5), ("directory", 0)],
    },
    Case {
        name: "the option idmap",
        userns: true,
        owner: 0,
        options: ",\"idmap\"",
        maps: None,
        prints: "0:0 0:0 1000:1000 0:0 5:5 0:0",
        errors: ("", 0),
        stored: &[("new", 5), ("directory", 0)],
    },
    Case {
        name: "mappings, no namespace",
        userns: false,
        owner: 0,
        options: "",
        maps: Some(SHIFT),
        prints: "100000:100000 100000:100000 101000:101000",
        errors: (OVERFLOW, 2),
        stored: &[],
    },
    Case {
        name: "a mapping of one id",
        userns: true,
        owner: 1000,
        options: "",
        maps: Some(ONE),
        prints: "0:0 65534:65534 0:0 0:0 0:0",
        errors: (OVERFLOW, 1),
        stored: &[("new", 1000), ("directory", 1000)],
    },
];

pub(super) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    if fixture.filesystem == VFAT {
        return vfat(fixture);
    }
    let disk = fixture.disk(|_| Ok(()))?;
    for (index, case) in CASES.iter().enumerate() {
        fixture.say(&format!("{}:", case.name));
        // A new bundle for each, since the files in /dev that crun creates depend on the namespace.
        let bundle = bundle(fixture, index)?;
        let data = disk.join("data");
        let _ = fs::remove_dir_all(&data);
        make(&disk, "data", &Entry::Directory, 0, 0o755)?;
        make_data(&data, case.owner)?;
        // Only the one with a map lets the namespace's root write.
        let (options, script) = (case.options, SCRIPT);
        configure(
            &bundle,
            &data,
            case.userns,
            "bind",
            options,
            case.maps,
            script,
        )?;
        let ran = crun(fixture, &bundle)?;
        let (printed, name) = (ran.output.replace('\n', " "), case.name);
        fixture.check(
            &format!("{name}: it prints"),
            Ok(printed),
            Ok(case.prints.to_owned()),
        );
        let (words, count) = case.errors;
        if count > 0 {
            let seen = ran.errors.matches(words).count();
            let what = format!("{name}: it is refused, times '{words}'");
            // A file that was not made cannot be changed either.
            fixture.check(&what, Ok(seen as u32), Ok(count as u32));
        }
        owners(fixture, &data, case.stored);
        let whole = inspect::census(&data);
        let mut expected = Census::new();
        for owner in [case.owner, 0, 1000]
            .into_iter()
            .chain(case.stored.iter().map(|(_, id)| *id))
        {
            *expected
                .entry(crate::show::Owner(owner, owner))
                .or_default() += 1;
        }
        fixture.check("owners on the host", whole, Ok(expected));
    }
    let data = disk.join("data");
    syscalls::chown(&data, 0).context("giving the directory back")?;
    let bundle = bundle(fixture, CASES.len())?;
    if fixture.filesystem == EXT4 {
        called(fixture, &data, &bundle)?;
        recursive(fixture, &disk, &bundle)?;
    }
    refused(fixture, &bundle)
}

/// Where 1000 owns all files: the maps, the expected output, the expected error message.
const ON_VFAT: &[(&str, &str, &str)] = &[
    (
        SHIFT,
        "1000:1000 1000:1000 1000:1000 1000:1000 1000:1000",
        "Operation not permitted",
    ),
    (ONE, "0:0 0:0 0:0 0:0 0:0", OVERFLOW),
];

/// A filesystem without owners.
fn vfat(fixture: &mut Fixture) -> Result<(), Failure> {
    let data = fixture.plain_with("disk", "uid=1000,gid=1000,")?;
    for (index, (maps, prints, words)) in ON_VFAT.iter().enumerate() {
        fixture.say(&format!("mappings {maps}:"));
        for name in ["f0", "f1000"] {
            fs::write(data.join(name), "x\n").context("writing to the disk")?;
        }
        let bundle = bundle(fixture, index)?;
        configure(&bundle, &data, true, "bind", "", Some(maps), SCRIPT)?;
        let ran = crun(fixture, &bundle)?;
        let printed = ran.output.replace('\n', " ");
        fixture.check("it prints", Ok(printed), Ok((*prints).to_owned()));
        let refused = ran.errors.matches(words).count();
        let what = format!("chown is refused, '{words}'");
        fixture.check(&what, Ok(refused as u32), Ok(1));
        owners(fixture, &data, &[("new", 1000), ("directory", 1000)]);
        fs::remove_file(data.join("new")).context("removing a file")?;
        fs::remove_dir(data.join("directory")).context("removing a directory")?;
    }
    Ok(())
}

/// Makes the directory of a container.
fn bundle(fixture: &Fixture, number: usize) -> Result<PathBuf, Failure> {
    let bundle = fixture.directory(&format!("bundle{number}"))?;
    make(&bundle, "rootfs", &Entry::Directory, FIRST, 0o755)?;
    make_rootfs(&bundle.join("rootfs"), FIRST)?;
    Ok(bundle)
}

/// The calls that it makes.
fn called(fixture: &mut Fixture, data: &Path, bundle: &Path) -> Result<(), Failure> {
    configure(bundle, data, true, "bind", "", Some(SHIFT), "true")?;
    let copy = format!(
        "\"{}\", OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC|AT_SYMLINK_NOFOLLOW|AT_NO_AUTOMOUNT",
        data.display()
    );
    let calls = [
        "flags=CLONE_NEW",
        &copy,
        calls::SET_MAP,
        "MOVE_MOUNT_F_EMPTY_PATH|MOVE_MOUNT_T_EMPTY_PATH",
    ];
    calls::made(fixture, &line(bundle), &calls)
}

/// Maps for a tree of mounts, and for the top of it.
fn recursive(fixture: &mut Fixture, disk: &Path, bundle: &Path) -> Result<(), Failure> {
    let data = disk.join("data");
    let below = data.join("below");
    fs::create_dir(&below).context("making a directory")?;
    fixture.prepare(&format!("mount -t tmpfs below {}", below.display()))?;
    for (option, seen) in [("ridmap", "0:0 0:0"), ("idmap", "0:0 65534:65534")] {
        fixture.say(&format!("rbind and {option}, with a mount below:"));
        let options = format!(",\"{option}\"");
        let script = "stat -c %u:%g /data /data/below";
        configure(bundle, &data, true, "rbind", &options, None, script)?;
        let ran = crun(fixture, bundle)?;
        let what = format!("{option}: the directory, and the mount below");
        fixture.check(
            &what,
            Ok(ran.output.replace('\n', " ")),
            Ok(seen.to_owned()),
        );
    }
    fixture.prepare(&format!("umount {}", below.display()))
}

/// A filesystem that takes no map.
fn refused(fixture: &mut Fixture, bundle: &Path) -> Result<(), Failure> {
    fixture.say("A filesystem that takes no map:");
    let directory = fixture.directory("ramfs")?;
    fixture.prepare(&format!("mount -t ramfs ramfs {}", directory.display()))?;
    configure(bundle, &directory, true, "bind", "", Some(SHIFT), "true")?;
    let ran = crun(fixture, bundle)?;
    fixture.check("it ends with", Ok(ran.status as u32), Ok(1));
    let words = "maybe the file system used doesn't support idmap mounts on this kernel?): \
                 Invalid argument";
    let says = ran.errors.contains(words);
    fixture.check("it says that the map was refused", Ok(says), Ok(true));
    Ok(())
}

/// The command line that runs a container.
pub(super) fn line(bundle: &Path) -> String {
    let bundle = bundle.display();
    format!("crun --cgroup-manager=disabled run --no-new-keyring --bundle {bundle} scene")
}

fn crun(fixture: &mut Fixture, bundle: &Path) -> Result<Ran, Failure> {
    let line = line(bundle);
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    fixture.run_in("root#", &line, command)
}

/// Writes the container's configuration.
fn configure(
    bundle: &Path,
    source: &Path,
    userns: bool,
    bind: &str,
    options: &str,
    maps: Option<&str>,
    script: &str,
) -> Result<(), Failure> {
    let userns = userns.then_some(SHIFT);
    let text = config(source, userns, (bind, options), maps, script);
    fs::write(bundle.join("config.json"), text).context("writing config.json")
}

/// Returns the configuration of a container.
pub(super) fn config(
    source: &Path,
    userns: Option<&str>,
    (bind, options): (&str, &str),
    maps: Option<&str>,
    script: &str,
) -> String {
    let (namespace, maps_of_it) = if let Some(shift) = userns {
        let maps = format!(",\"uidMappings\":{shift},\"gidMappings\":{shift}");
        (",{\"type\":\"user\"}", maps)
    } else {
        ("", String::new())
    };
    let maps = maps.map_or_else(String::new, |maps| {
        format!(",\"uidMappings\":{maps},\"gidMappings\":{maps}")
    });
    let capabilities = r#"["CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FOWNER"]"#;
    format!(
        r#"{{
"ociVersion": "1.0.0",
"process": {{"user": {{"uid": 0, "gid": 0}}, "cwd": "/", "env": ["PATH=/bin"],
  "args": ["/bin/sh", "-c", "{script}"],
  "capabilities": {{"bounding": {capabilities}, "effective": {capabilities},
    "permitted": {capabilities}}}}},
"root": {{"path": "rootfs"}},
"mounts": [
  {{"destination": "/proc", "type": "proc", "source": "proc"}},
  {{"destination": "/data", "type": "bind", "source": "{}",
    "options": ["{bind}","rw"{options}]{maps}}}],
"linux": {{"namespaces": [{{"type":"pid"}},{{"type":"mount"}}{namespace}]{maps_of_it}}}
}}
"#,
        source.display()
    )
}
