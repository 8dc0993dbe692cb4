// SPDX-License-Identifier: GPL-2.0

//! `truncate()`, `ftruncate()` and `fallocate()`.

use kselftest::credentials::as_user;
use kselftest::errno::SyscallResult;
use kselftest::syscalls;
use kselftest::syscalls::truncate;
use rustix::{
    fs::{FallocateFlags as F, FileType, fallocate, ftruncate},
    io::Errno,
};

use super::{OTHER, OWNER};
use crate::test::{Case, Named, Test};

pub(super) const TESTS: &[Named] = &[
    ("truncate.sizes", sizes),
    ("truncate.refused", truncate_refused),
    ("fallocate.allocates", allocates),
    ("fallocate.keeps_size", keeps_size),
    ("fallocate.punches", punches),
    ("fallocate.refused", fallocate_refused),
];

/// Size and blocks.
fn extent(path: impl AsRef<std::path::Path>) -> SyscallResult<(i64, i64)> {
    syscalls::stat(path).map(|stat| (stat.st_size, stat.st_blocks))
}

fn sizes(t: &Test) -> Case {
    let file = t.at("file");
    t.done("write", syscalls::write_file(&file, &[b'a'; 10_000]))?;
    t.same("before", extent(&file), Ok((10_000, 24)));
    t.done("shrink", truncate(&file, 5000))?;
    t.same("after", extent(&file), Ok((5000, 16)));
    t.done("grow", truncate(&file, 9000))?;
    t.same("a hole", extent(&file), Ok((9000, 16)));
    let all = t.done("read", syscalls::read_file(&file))?;
    t.holds(
        "what was left",
        all[..5000].iter().all(|byte| *byte == b'a'),
    );
    t.holds("zeros behind", all[5000..].iter().all(|byte| *byte == 0));
    t.same("length", all.len(), 9000);
    t.done("the same", truncate(&file, 9000))?;
    t.done("to nothing", truncate(&file, 0))?;
    t.same("nothing", extent(&file), Ok((0, 0)));
    t.done("huge", truncate(&file, 1 << 50))?;
    t.same("no blocks", extent(&file), Ok((1 << 50, 0)));
    let fd = t.done("open", syscalls::open_rw(&file))?;
    t.done("ftruncate", ftruncate(&fd, 3))?;
    t.same("size", extent(&file), Ok((3, 0)));
    t.done("give", syscalls::give(&file, OWNER))?;
    t.done("by the owner", as_user(OWNER, || truncate(&file, 1)))?;
    // The right is that of the open file, not that of the user by now.
    t.done("chmod", syscalls::chmod(&file, 0o200))?;
    let fd = as_user(OWNER, || {
        syscalls::open(&file, rustix::fs::OFlags::WRONLY, 0)
    });
    let fd = t.done("open", fd)?;
    t.done("chmod", syscalls::chmod(&file, 0))?;
    t.done("ftruncate", as_user(OWNER, || ftruncate(&fd, 7)))?;
    Ok(())
}

fn truncate_refused(t: &Test) -> Case {
    let file = t.at("file");
    t.done("write", syscalls::write_file(&file, b"text"))?;
    t.refused("-1", truncate(&file, -1), Errno::INVAL);
    t.refused("nothing", truncate(t.at("no"), 0), Errno::NOENT);
    t.refused("below a file", truncate(t.at("file/f"), 0), Errno::NOTDIR);
    t.refused("a directory", truncate(t.dir(), 0), Errno::ISDIR);
    t.done(
        "mkfifo",
        syscalls::mknod(t.at("pipe"), FileType::Fifo, 0o644, 0),
    )?;
    t.refused("a pipe", truncate(t.at("pipe"), 0), Errno::INVAL);
    let answer = as_user(OTHER, || truncate(&file, 0));
    t.refused("without right", answer, Errno::ACCESS);
    let fd = t.done("open", syscalls::open_ro(&file))?;
    t.refused("ftruncate of O_RDONLY", ftruncate(&fd, 0), Errno::INVAL);
    t.same(
        "nothing lost",
        syscalls::read_file(&file),
        Ok(b"text".to_vec()),
    );
    Ok(())
}

fn allocates(t: &Test) -> Case {
    let file = t.at("file");
    let fd = t.done("creat", syscalls::create(&file, 0o644))?;
    t.done("fallocate", fallocate(&fd, F::empty(), 0, 100_000))?;
    t.same("size and blocks", extent(&file), Ok((100_000, 200)));
    t.holds("zeros", syscalls::read_file(&file) == Ok(vec![0; 100_000]));
    t.done("write", syscalls::write_all(&fd, b"text"))?;
    t.done("over data", fallocate(&fd, F::empty(), 0, 8192))?;
    t.same(
        "data stays",
        syscalls::pread(&fd, 5, 0),
        Ok(b"text\0".to_vec()),
    );
    t.same("size stays", extent(&file), Ok((100_000, 200)));
    t.done("far out", fallocate(&fd, F::empty(), 1 << 30, 1))?;
    t.same("one page more", extent(&file), Ok(((1 << 30) + 1, 208)));
    Ok(())
}

fn keeps_size(t: &Test) -> Case {
    let file = t.at("file");
    let fd = t.done("creat", syscalls::create(&file, 0o644))?;
    t.done("write", syscalls::write_all(&fd, b"text"))?;
    t.done("KEEP_SIZE", fallocate(&fd, F::KEEP_SIZE, 0, 20_000))?;
    t.same("size and blocks", extent(&file), Ok((4, 40)));
    t.same("contents", syscalls::read_file(&file), Ok(b"text".to_vec()));
    t.done("grow", ftruncate(&fd, 20_000))?;
    let all = t.done("read", syscalls::read_file(&file))?;
    t.holds("zeros", all[4..].iter().all(|byte| *byte == 0));
    t.done("shrink", ftruncate(&fd, 4))?;
    t.same("freed", extent(&file), Ok((4, 8)));
    Ok(())
}

fn punches(t: &Test) -> Case {
    let file = t.at("file");
    let fd = t.done("creat", syscalls::create(&file, 0o644))?;
    t.done("write", syscalls::write_all(&fd, &[b'a'; 20_000]))?;
    t.same("before", extent(&file), Ok((20_000, 40)));
    let punch = F::PUNCH_HOLE | F::KEEP_SIZE;
    t.done("PUNCH_HOLE", fallocate(&fd, punch, 4000, 8500))?;
    t.same("two pages freed", extent(&file), Ok((20_000, 24)));
    let mut expected = vec![b'a'; 20_000];
    expected[4000..12_500].fill(0);
    t.holds("zeros there", syscalls::read_file(&file) == Ok(expected));
    t.done("within a page", fallocate(&fd, punch, 100, 10))?;
    t.same(
        "zeros",
        syscalls::pread(&fd, 12, 99),
        Ok(b"a\0\0\0\0\0\0\0\0\0\0a".to_vec()),
    );
    t.done("behind the end", fallocate(&fd, punch, 1 << 20, 4096))?;
    t.same("size stays", extent(&file), Ok((20_000, 24)));
    t.done("all", fallocate(&fd, punch, 0, 1 << 20))?;
    t.same("nothing but size", extent(&file), Ok((20_000, 0)));
    Ok(())
}

fn fallocate_refused(t: &Test) -> Case {
    let fd = t.done("creat", syscalls::create(t.at("file"), 0o644))?;
    let none = F::empty();
    t.refused("length 0", fallocate(&fd, none, 0, 0), Errno::INVAL);
    t.refused("offset -1", fallocate(&fd, none, u64::MAX, 1), Errno::INVAL);
    t.refused("length -1", fallocate(&fd, none, 0, u64::MAX), Errno::INVAL);
    let last = i64::MAX as u64;
    t.refused("too far", fallocate(&fd, none, last, 2), Errno::FBIG);
    for (what, flags) in [
        ("PUNCH_HOLE without KEEP_SIZE", F::PUNCH_HOLE),
        ("COLLAPSE_RANGE", F::COLLAPSE_RANGE),
        ("INSERT_RANGE", F::INSERT_RANGE),
        ("ZERO_RANGE", F::ZERO_RANGE),
        ("an unknown flag", F::from_bits_retain(1 << 20)),
    ] {
        t.refused(what, fallocate(&fd, flags, 0, 4096), Errno::OPNOTSUPP);
    }
    t.same("nothing done", extent(t.at("file")), Ok((0, 0)));
    let read = t.done("open", syscalls::open_ro(t.at("file")))?;
    t.refused("of O_RDONLY", fallocate(&read, none, 0, 1), Errno::BADF);
    let dir = t.done("open", syscalls::open_ro(t.dir()))?;
    t.refused("of a directory", fallocate(&dir, none, 0, 1), Errno::BADF);
    t.done(
        "mkfifo",
        syscalls::mknod(t.at("pipe"), FileType::Fifo, 0o644, 0),
    )?;
    let pipe = t.done("open", syscalls::open_rw(t.at("pipe")))?;
    t.refused("of a pipe", fallocate(&pipe, none, 0, 1), Errno::SPIPE);
    Ok(())
}
