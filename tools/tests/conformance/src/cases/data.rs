// SPDX-License-Identifier: GPL-2.0

//! `read()`, `write()` and their kin, `mmap()`, `lseek()`, `fsync()`.

use std::{
    io::{IoSlice, IoSliceMut},
    os::fd::AsFd,
};

use kselftest::mapping::Mapping;
use kselftest::syscalls;
use rustix::{
    fs::{FileType, SeekFrom, seek},
    io::Errno,
};

use crate::test::{Case, Named, Test};

pub(super) const TESTS: &[Named] = &[
    ("data.read_and_write", read_and_write),
    ("data.at_offsets", at_offsets),
    ("data.vectors", vectors),
    ("data.holes", holes),
    ("data.large", large),
    ("data.copies", copies),
    ("data.shared_mapping", shared_mapping),
    ("data.private_mapping", private_mapping),
    ("data.mapping_and_size", mapping_and_size),
    ("data.seek", seek_to),
    ("data.seek_data_and_hole", seek_data_and_hole),
    ("data.sync", sync),
];

const PAGE: usize = 4096;

fn read_and_write(t: &Test) -> Case {
    let fd = t.done("creat", syscalls::create(t.at("file"), 0o644))?;
    t.same(
        "read of nothing",
        syscalls::pread(&fd, 9, 0),
        Ok(Vec::new()),
    );
    t.same("write", rustix::io::write(&fd, b"0123456789"), Ok(10));
    t.same("position", seek(&fd, SeekFrom::Current(0)), Ok(10));
    let mut buffer = [0; 4];
    t.same("read at the end", rustix::io::read(&fd, &mut buffer), Ok(0));
    t.same("seek", seek(&fd, SeekFrom::Start(3)), Ok(3));
    t.same("read", rustix::io::read(&fd, &mut buffer), Ok(4));
    t.same("what", &buffer, b"3456");
    t.same("short read", rustix::io::read(&fd, &mut [0; 9]), Ok(3));
    t.same("write of nothing", rustix::io::write(&fd, b""), Ok(0));
    let stat = t.done("fstat", rustix::fs::fstat(&fd))?;
    t.same("size", stat.st_size, 10);
    t.same("blocks of one page", stat.st_blocks, 8);
    let copy = t.done("dup", rustix::io::dup(&fd))?;
    t.same("seek", seek(&fd, SeekFrom::Start(1)), Ok(1));
    t.same("one position", seek(&copy, SeekFrom::Current(0)), Ok(1));
    let other = t.done("open", syscalls::open_ro(t.at("file")))?;
    t.same(
        "its own position",
        seek(&other, SeekFrom::Current(0)),
        Ok(0),
    );
    Ok(())
}

fn at_offsets(t: &Test) -> Case {
    let fd = t.done("creat", syscalls::create(t.at("file"), 0o644))?;
    t.same("pwrite", rustix::io::pwrite(&fd, b"abc", 5), Ok(3));
    t.same("position stays", seek(&fd, SeekFrom::Current(0)), Ok(0));
    t.same(
        "pread",
        syscalls::pread(&fd, 99, 0),
        Ok(b"\0\0\0\0\0abc".to_vec()),
    );
    t.same("behind the end", syscalls::pread(&fd, 9, 8), Ok(Vec::new()));
    t.same(
        "over a page's end",
        rustix::io::pwrite(&fd, b"wxyz", 4094),
        Ok(4),
    );
    t.same(
        "read there",
        syscalls::pread(&fd, 6, 4093),
        Ok(b"\0wxyz".to_vec()),
    );
    t.refused("offset -1", syscalls::pread(&fd, 1, u64::MAX), Errno::INVAL);
    let answer = rustix::io::pwrite(&fd, b"x", u64::MAX);
    t.refused("write at -1", answer, Errno::INVAL);
    let last = i64::MAX as u64;
    t.refused(
        "write up to 2^63",
        rustix::io::pwrite(&fd, b"x", last),
        Errno::INVAL,
    );
    t.same(
        "read at the last",
        syscalls::pread(&fd, 1, last - 1),
        Ok(Vec::new()),
    );
    t.same(
        "write at the last",
        rustix::io::pwrite(&fd, b"x", last - 1),
        Ok(1),
    );
    let size = rustix::fs::fstat(&fd).map(|stat| stat.st_size);
    t.same("the largest size", size, Ok(i64::MAX));
    Ok(())
}

fn vectors(t: &Test) -> Case {
    let fd = t.done("creat", syscalls::create(t.at("file"), 0o644))?;
    let parts = [
        IoSlice::new(b"one "),
        IoSlice::new(b""),
        IoSlice::new(b"two"),
    ];
    t.same("writev", rustix::io::writev(&fd, &parts), Ok(7));
    t.same("pwritev", rustix::io::pwritev(&fd, &parts, 4090), Ok(7));
    let (mut first, mut second) = ([0; 3], [0; 2]);
    let mut parts = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
    t.same("preadv", rustix::io::preadv(&fd, &mut parts, 4090), Ok(5));
    t.same("first", &first, b"one");
    t.same("second", &second, b" t");
    Ok(())
}

fn holes(t: &Test) -> Case {
    let fd = t.done("creat", syscalls::create(t.at("file"), 0o644))?;
    let far = 1u64 << 40;
    t.same("write far out", rustix::io::pwrite(&fd, b"end", far), Ok(3));
    let stat = t.done("fstat", rustix::fs::fstat(&fd))?;
    t.same("size", stat.st_size, (1 << 40) + 3);
    t.same("only one page is there", stat.st_blocks, 8);
    for offset in [0, 4095, 1 << 20, far - 100] {
        let read = syscalls::pread(&fd, 100, offset);
        t.same("the hole reads as zeros", read, Ok(vec![0; 100]));
    }
    let read = syscalls::pread(&fd, 8, far - 2);
    t.same("its end", read, Ok(b"\0\0end".to_vec()));
    t.same(
        "write into it",
        rustix::io::pwrite(&fd, b"x", 1 << 30),
        Ok(1),
    );
    let blocks = rustix::fs::fstat(&fd).map(|stat| stat.st_blocks);
    t.same("two pages", blocks, Ok(16));
    Ok(())
}

fn large(t: &Test) -> Case {
    let file = t.at("file");
    let fd = t.done("creat", syscalls::create(&file, 0o644))?;
    // No two pages alike, and no power of two as the length of a write.
    let contents: Vec<u8> = (0..3_000_000u32)
        .map(|n| (n / 7 + n / 4096) as u8)
        .collect();
    for part in contents.chunks(70_001) {
        t.done("write", syscalls::write_all(&fd, part))?;
    }
    t.holds(
        "read back",
        syscalls::read_file(&file) == Ok(contents.clone()),
    );
    let stat = t.done("fstat", rustix::fs::fstat(&fd))?;
    t.same("size", stat.st_size, 3_000_000);
    t.same(
        "blocks",
        stat.st_blocks,
        3_000_000_i64.div_euclid(4096) * 8 + 8,
    );
    t.same(
        "overwrite",
        rustix::io::pwrite(&fd, &[1; 10_000], 1_234_567),
        Ok(10_000),
    );
    let mut expected = contents;
    expected[1_234_567..1_244_567].fill(1);
    t.holds("read back", syscalls::read_file(&file) == Ok(expected));
    Ok(())
}

fn copies(t: &Test) -> Case {
    t.done("write", syscalls::write_file(t.at("from"), &[7; 50_000]))?;
    let from = t.done("open", syscalls::open_ro(t.at("from")))?;
    let to = t.done("creat", syscalls::create(t.at("to"), 0o644))?;
    let copied = rustix::fs::copy_file_range(&from, None, &to, None, 50_000);
    t.same("copy_file_range", copied, Ok(50_000));
    t.holds(
        "all of it",
        syscalls::read_file(t.at("to")) == Ok(vec![7; 50_000]),
    );
    let mut offset = 100;
    let sent = rustix::fs::sendfile(&to, &from, Some(&mut offset), 1000);
    t.same("sendfile", sent, Ok(1000));
    t.same("its offset", offset, 1100);
    let size = rustix::fs::fstat(&to).map(|stat| stat.st_size);
    t.same("size", size, Ok(51_000));
    let copied = rustix::fs::copy_file_range(&to, None, &from, None, 1);
    t.refused("to what is read-only", copied, Errno::BADF);
    let cloned = rustix::fs::ioctl_ficlone(&to, &from);
    t.refused("FICLONE", cloned, Errno::OPNOTSUPP);
    Ok(())
}

fn shared_mapping(t: &Test) -> Case {
    let fd = t.done("creat", syscalls::create(t.at("file"), 0o644))?;
    t.done("write", syscalls::write_all(&fd, &[b'a'; 2 * PAGE]))?;
    let map = Mapping::new(fd.as_fd(), 2 * PAGE, true, libc::MAP_SHARED);
    let map = t.done("mmap", map)?;
    t.same("seen in memory", map.get(PAGE), b'a');
    map.set(PAGE + 1, b'b');
    t.same(
        "seen by read",
        syscalls::pread(&fd, 3, PAGE as u64),
        Ok(b"aba".to_vec()),
    );
    t.same("write", rustix::io::pwrite(&fd, b"c", 5), Ok(1));
    t.same("seen in memory at once", map.get(5), b'c');
    t.done("msync", map.sync())?;
    let other = Mapping::new(fd.as_fd(), 2 * PAGE, false, libc::MAP_SHARED);
    let other = t.done("mmap", other)?;
    map.set(9, b'd');
    t.same("seen in another mapping", other.get(9), b'd');
    drop(fd);
    map.set(10, b'e');
    t.done("unlink", syscalls::unlink(t.at("file")))?;
    t.same("without a name", other.get(10), b'e');

    let hole = t.done("creat", syscalls::create(t.at("hole"), 0o644))?;
    t.done("ftruncate", rustix::fs::ftruncate(&hole, 3 * PAGE as u64))?;
    let map = Mapping::new(hole.as_fd(), 3 * PAGE, true, libc::MAP_SHARED);
    let map = t.done("mmap", map)?;
    t.same("a hole in memory", map.get(2 * PAGE), 0);
    map.set(PAGE, b'x');
    t.same(
        "written to",
        syscalls::pread(&hole, 1, PAGE as u64),
        Ok(b"x".to_vec()),
    );
    Ok(())
}

fn private_mapping(t: &Test) -> Case {
    t.done("write", syscalls::write_file(t.at("file"), &[b'a'; PAGE]))?;
    let fd = t.done("open", syscalls::open_ro(t.at("file")))?;
    let map = Mapping::new(fd.as_fd(), PAGE, true, libc::MAP_PRIVATE);
    let map = t.done("mmap of what is read-only", map)?;
    map.set(0, b'b');
    t.same("in memory", map.get(0), b'b');
    t.same(
        "not in the file",
        syscalls::pread(&fd, 1, 0),
        Ok(b"a".to_vec()),
    );
    let map = Mapping::new(fd.as_fd(), PAGE, true, libc::MAP_SHARED);
    t.refused("shared, to write", map.map(drop), Errno::ACCESS);
    let fd = t.done(
        "open",
        syscalls::open(t.at("file"), rustix::fs::OFlags::WRONLY, 0),
    )?;
    let map = Mapping::new(fd.as_fd(), PAGE, false, libc::MAP_SHARED);
    t.refused("of what is write-only", map.map(drop), Errno::ACCESS);
    let dir = t.done("open", syscalls::open_ro(t.dir()))?;
    let map = Mapping::new(dir.as_fd(), PAGE, false, libc::MAP_SHARED);
    t.refused("of a directory", map.map(drop), Errno::NODEV);
    Ok(())
}

fn mapping_and_size(t: &Test) -> Case {
    let fd = t.done("creat", syscalls::create(t.at("file"), 0o644))?;
    let sink = t.done("creat", syscalls::create(t.at("sink"), 0o644))?;
    t.done("write", syscalls::write_all(&fd, &[b'a'; PAGE + 10]))?;
    let map = Mapping::new(fd.as_fd(), 3 * PAGE, true, libc::MAP_SHARED);
    let map = t.done("mmap beyond the end", map)?;
    t.same("rest of the last page", map.get(PAGE + 10), 0);
    t.refused(
        "a page behind it",
        map.write_to(2 * PAGE, sink.as_fd()),
        Errno::FAULT,
    );
    // A store beyond the end is not in the file, also after the file has grown.
    map.set(PAGE + 10, b'x');
    let size = rustix::fs::fstat(&fd).map(|stat| stat.st_size);
    t.same("size", size, Ok(PAGE as i64 + 10));
    t.done("shrink", rustix::fs::ftruncate(&fd, 100))?;
    t.refused("now behind", map.write_to(PAGE, sink.as_fd()), Errno::FAULT);
    t.same("the rest is zero", map.get(100), 0);
    t.done("grow", rustix::fs::ftruncate(&fd, 3 * PAGE as u64))?;
    let all = t.done("read", syscalls::read_file(t.at("file")))?;
    t.holds("what was left", all[..100] == [b'a'; 100]);
    t.holds("zeros behind", all[100..].iter().all(|byte| *byte == 0));
    t.same("in memory too", map.get(PAGE + 10), 0);
    Ok(())
}

fn seek_to(t: &Test) -> Case {
    let fd = t.done("creat", syscalls::create(t.at("file"), 0o644))?;
    t.done("write", syscalls::write_all(&fd, b"0123456789"))?;
    t.same("SEEK_SET", seek(&fd, SeekFrom::Start(4)), Ok(4));
    t.same("SEEK_CUR", seek(&fd, SeekFrom::Current(-1)), Ok(3));
    t.same("SEEK_END", seek(&fd, SeekFrom::End(-2)), Ok(8));
    t.same("behind the end", seek(&fd, SeekFrom::End(100)), Ok(110));
    t.same("read there", rustix::io::read(&fd, &mut [0; 4]), Ok(0));
    t.refused(
        "before the start",
        seek(&fd, SeekFrom::End(-11)),
        Errno::INVAL,
    );
    t.same("position stays", seek(&fd, SeekFrom::Current(0)), Ok(110));
    t.refused("too far", seek(&fd, SeekFrom::Start(1 << 63)), Errno::INVAL);
    t.same("write there", rustix::io::write(&fd, b"x"), Ok(1));
    let size = rustix::fs::fstat(&fd).map(|stat| stat.st_size);
    t.same("size", size, Ok(111));
    t.done(
        "mkfifo",
        syscalls::mknod(t.at("pipe"), FileType::Fifo, 0o644, 0),
    )?;
    let pipe = t.done("open", syscalls::open_rw(t.at("pipe")))?;
    t.refused("in a pipe", seek(&pipe, SeekFrom::Start(0)), Errno::SPIPE);
    t.refused(
        "pread of a pipe",
        syscalls::pread(&pipe, 1, 0),
        Errno::SPIPE,
    );
    Ok(())
}

fn seek_data_and_hole(t: &Test) -> Case {
    let fd = t.done("creat", syscalls::create(t.at("file"), 0o644))?;
    t.refused("data in nothing", seek(&fd, SeekFrom::Data(0)), Errno::NXIO);
    t.refused("hole in nothing", seek(&fd, SeekFrom::Hole(0)), Errno::NXIO);
    let (mib, page) = (1u64 << 20, PAGE as u64);
    t.done("size", rustix::fs::ftruncate(&fd, 4 * mib))?;
    t.same("data", rustix::io::pwrite(&fd, &[1; PAGE], mib), Ok(PAGE));
    t.same("data", rustix::io::pwrite(&fd, &[1; 10], 2 * mib), Ok(10));
    // A filesystem may report a hole as data, but not data as a hole.
    let mut at = 0;
    let mut data = Vec::new();
    while let Ok(start) = seek(&fd, SeekFrom::Data(at)) {
        let end = t.done("the hole behind", seek(&fd, SeekFrom::Hole(start)))?;
        t.holds("it goes on", start >= at && end > start);
        data.push((start, end));
        at = end;
    }
    for must in [mib, mib + page - 1, 2 * mib + 9] {
        let said = data
            .iter()
            .any(|(start, end)| (*start..*end).contains(&must));
        t.holds(&format!("data at {must}"), said);
    }
    if t.mount.kind == "tmpfs" {
        let exact = vec![(mib, mib + page), (2 * mib, 2 * mib + page)];
        t.same("exactly the data", data, exact);
        t.same("hole at once", seek(&fd, SeekFrom::Hole(10)), Ok(10));
    }
    t.same(
        "hole at the end",
        seek(&fd, SeekFrom::Hole(2 * mib)).is_ok(),
        true,
    );
    for from in [SeekFrom::Data(4 * mib), SeekFrom::Hole(4 * mib)] {
        t.refused("behind the end", seek(&fd, from), Errno::NXIO);
    }
    Ok(())
}

fn sync(t: &Test) -> Case {
    let fd = t.done("creat", syscalls::create(t.at("file"), 0o644))?;
    t.done("write", syscalls::write_all(&fd, b"text"))?;
    t.done("fsync", rustix::fs::fsync(&fd))?;
    t.done("fdatasync", rustix::fs::fdatasync(&fd))?;
    t.done("syncfs", rustix::fs::syncfs(&fd))?;
    let advice = rustix::fs::Advice::DontNeed;
    t.done("fadvise", rustix::fs::fadvise(&fd, 0, None, advice))?;
    t.same(
        "nothing is dropped",
        syscalls::pread(&fd, 9, 0),
        Ok(b"text".to_vec()),
    );
    let dir = t.done("open", syscalls::open_ro(t.dir()))?;
    t.done("fsync of a directory", rustix::fs::fsync(&dir))?;
    t.done(
        "mkfifo",
        syscalls::mknod(t.at("pipe"), FileType::Fifo, 0o644, 0),
    )?;
    let pipe = t.done("open", syscalls::open_rw(t.at("pipe")))?;
    t.refused("fsync of a pipe", rustix::fs::fsync(&pipe), Errno::INVAL);
    Ok(())
}
