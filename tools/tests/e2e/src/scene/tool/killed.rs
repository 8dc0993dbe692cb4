// SPDX-License-Identifier: GPL-2.0

//! The tool is killed while it mounts an image file. It leaves the whole mount or nothing, and no
//! loop device.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::mount::{UnmountFlags, unmount};

use crate::{
    fixture::Fixture,
    inspect,
    report::{Context, Failure},
};

/// The number of kills, at times that are spread over the duration of a mount.
const KILLS: u32 = 24;
/// The time in which mount(8), which is not killed, ends on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Mounts `image` on `target`, and kills the tool after a time if there is one.
fn mount(image: &Path, target: &Path, after: Option<Duration>) -> Result<(), Failure> {
    let mut command = Command::new("mount-idmapped");
    command
        .args(["mount", "--map=b:3001:5:1", "-o", "loop"])
        .args([image, target])
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().context("running mount-idmapped")?;
    if let Some(time) = after {
        sleep(time);
        child.kill().context("killing it")?;
    }
    child.wait().context("waiting for it")?;
    Ok(())
}

/// The loop devices with an image.
fn devices(image: &Path) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/sys/block").context("/sys/block")? {
        let path = entry.context("/sys/block")?.path();
        // A device without a file has no such attribute.
        let file = fs::read_to_string(path.join("loop/backing_file")).unwrap_or_default();
        if Path::new(file.trim_end()) == image {
            found.push(path.display().to_string());
        }
    }
    Ok(found)
}

/// The loop devices and the mounts once nothing changes them, which are none and `before` in time.
fn left(image: &Path, before: &[String]) -> Result<(Vec<String>, Vec<String>), Failure> {
    let start = Instant::now();
    loop {
        let devices = devices(image)?;
        let mounts = inspect::mounts_below("").context("reading the table of mounts")?;
        if devices.is_empty() && mounts == before || start.elapsed() > PATIENCE {
            return Ok((devices, mounts));
        }
        sleep(Duration::from_millis(20));
    }
}

pub(super) fn run(fixture: &mut Fixture, image: &Path, target: &Path) -> Result<(), Failure> {
    fixture.say("Killed while it mounts an image file:");
    let before = inspect::mounts_below("").context("reading the table of mounts")?;
    let start = Instant::now();
    mount(image, target, None)?;
    let whole = start.elapsed();
    let mounted = || inspect::mounts_below(&target.to_string_lossy());
    let is_mounted = || mounted().map(|mounts| !mounts.is_empty());
    fixture.check("without a kill it mounts", is_mounted(), Ok(true));
    unmount(target, UnmountFlags::empty()).context("unmounting")?;

    let (mut without, mut kept) = (0, String::new());
    for number in 0..KILLS {
        mount(image, target, Some(whole * number / KILLS))?;
        if is_mounted().context("reading the table of mounts")? {
            unmount(target, UnmountFlags::empty()).context("unmounting")?;
        } else {
            without += 1;
        }
        if number + 1 == KILLS {
            // mount(8) may only begin.
            sleep(whole);
        }
        let (devices, mounts) = left(image, &before)?;
        if !devices.is_empty() || mounts != before {
            kept = format!("after kill {number}: {devices:?} {mounts:?}, before: {before:?}");
            break;
        }
    }
    let what = format!("loop devices and mounts that one of {KILLS} kills leaves");
    fixture.check(&what, Ok(kept), Ok(String::new()));
    fixture.check("some came before the mount", Ok(without > 0), Ok(true));
    Ok(())
}
