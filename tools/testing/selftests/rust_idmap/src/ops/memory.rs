// SPDX-License-Identifier: GPL-2.0

//! Calls that show or change which pages of a file are in the page cache. They need the owner or
//! write permission.

use std::fs::File;
use std::os::fd::AsFd;
use std::time::Duration;

use kselftest::filesystem::{Feature, OVERLAY};
use kselftest::ktap::{check_eq, Context, Outcome};
use kselftest::mapping::Mapping;
use kselftest::raw;
use rustix::fs::OFlags;

use crate::caller::{Who, DISK};
use crate::calls;
use crate::fixture::TestCase;
use crate::op::{op, Op, EPERM, OK};

/// The reason for the expected failures on overlayfs.
const OF_LAYER: &str = "the owner is asked for with the map of the layer's mount";
const PAGES: usize = 4;
/// The number of attempts to reclaim the pages.
const TRIES: usize = 20;
const LENGTH: usize = PAGES * 4096;

/// A sparse file, whose holes are not in memory, without write permission.
fn holes(s: &TestCase) -> Outcome {
    let file = File::create(s.on_disk("file")).context("making a file")?;
    file.set_len(LENGTH as u64).context("making it longer")?;
    s.give("file", DISK, 0o444)
}

/// A file that is on disk, without write permission.
fn stored(s: &TestCase) -> Outcome {
    std::fs::write(s.on_disk("file"), [1; LENGTH]).context("writing a file")?;
    s.give("file", DISK, 0o444)?;
    File::open(s.on_disk("file"))
        .and_then(|file| file.sync_all())
        .context("storing it")
}

/// How many pages of a file on disk are in memory.
fn in_memory(s: &TestCase) -> Result<usize, kselftest::ktap::Failure> {
    let file = File::open(s.on_disk("file")).context("opening")?;
    let pages = Mapping::new(&file, LENGTH, false, libc::MAP_PRIVATE)
        .and_then(|it| it.in_core())
        .context("mincore()")?;
    Ok(pages.iter().filter(|page| **page & 1 == 1).count())
}

pub(crate) fn ops() -> Vec<Op> {
    vec![
        op("memory.mincore", |_| {
            let file = calls::file("file", OFlags::RDONLY)?;
            let pages = Mapping::new(&file, LENGTH, false, libc::MAP_PRIVATE)?.in_core()?;
            Ok(pages.iter().filter(|page| **page & 1 == 1).count() as u64)
        })
        .with(holes)
        .known(OVERLAY, OF_LAYER)
        // A caller without the permission sees all pages as in memory.
        .each([Ok(0), Ok(4), Ok(4), Ok(4), Ok(0)]),
        op("memory.pageout", |_| {
            let file = calls::file("file", OFlags::RDONLY)?;
            let mapping = Mapping::new(&file, LENGTH, false, libc::MAP_SHARED)?;
            // A page with another reference stays in memory. A caller that may not reclaim pages
            // sees all of them as in memory.
            for _ in 0..TRIES {
                mapping.touch();
                mapping.advise(libc::MADV_PAGEOUT)?;
                if mapping.in_core()?.iter().all(|page| page & 1 == 0) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            Ok(0)
        })
        .needs(Feature::Cache)
        .known(OVERLAY, OF_LAYER)
        .with(stored)
        .then(|s| {
            let may = matches!(s.who, Who::Owner | Who::Admin);
            check_eq(
                "pages in memory",
                in_memory(s)?,
                if may { 0 } else { PAGES },
            )
        }),
        op("memory.cachestat", |_| {
            let file = calls::file("file", OFlags::RDONLY)?;
            raw::cachestat(file.as_fd(), LENGTH as u64)
        })
        .with(holes)
        .each([OK, EPERM, EPERM, EPERM, OK]),
        op("memory.cachestat_who_may_write", |_| {
            let file = calls::file("file", OFlags::RDONLY)?;
            raw::cachestat(file.as_fd(), LENGTH as u64)
        })
        .with(holes)
        .with(|s| s.give("file", DISK, 0o646))
        .each([OK, EPERM, OK, OK, OK]),
    ]
}
