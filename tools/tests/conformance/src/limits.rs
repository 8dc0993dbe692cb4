// SPDX-License-Identifier: GPL-2.0

//! The limits of space and inodes. They must hold, and freed space must be usable again.

use std::os::fd::AsFd;

use kselftest::errno::SyscallResult;
use kselftest::mapping::Mapping;
use kselftest::syscalls;
use rustix::{
    fs::{FallocateFlags, FileType, OFlags as O, RenameFlags},
    io::Errno,
};

use crate::{
    small::{Small, Space},
    test::{Case, Named, Test},
};

pub(crate) const TESTS: &[Named] = &[
    ("size.kept", size_kept),
    ("size.freed", size_freed),
    ("size.open_files", open_files),
    ("size.holes", holes),
    ("size.mapping", mapping),
    ("size.fallocate", allocation),
    ("size.migration", migration),
    ("attributes.kept", attributes_kept),
    ("inodes.kept", inodes_kept),
    ("inodes.freed", inodes_freed),
    ("inodes.links", inodes_of_links),
    ("remount.grows", remount_grows),
    ("remount.refused", remount_refused),
    ("options.root", options_of_root),
    ("options.shown", options_shown),
    ("options.unlimited", unlimited),
];

const PAGE: usize = 4096;

fn size_kept(t: &Test) -> Case {
    let small = Small::new(&t.mount.kind, "small", "size=64k");
    let small = t.done("mount", small)?;
    let begin = t.done("statfs", small.space())?;
    t.same("blocks", (begin.blocks, begin.free_blocks), (16, 16));
    let file = small.at("file");
    let fd = t.done("creat", syscalls::create(&file, 0o644))?;
    let page: Vec<u8> = (0..PAGE).map(|index| index as u8).collect();
    for _ in 0..16 {
        t.same("write", rustix::io::write(&fd, &page), Ok(PAGE));
    }
    t.same("full", small.space().map(|space| space.free_blocks), Ok(0));
    t.refused("one byte more", rustix::io::write(&fd, b"x"), Errno::NOSPC);
    let size = syscalls::stat(&file).map(|stat| (stat.st_size, stat.st_blocks));
    t.same("size and blocks", size, Ok((65_536, 128)));
    t.holds(
        "nothing lost",
        syscalls::read_file(&file) == Ok(page.repeat(16)),
    );
    t.same("overwrite", rustix::io::pwrite(&fd, b"new", 5000), Ok(3));
    t.same("read", syscalls::pread(&fd, 3, 5000), Ok(b"new".to_vec()));
    let other = t.done(
        "creat of an empty one",
        syscalls::create(small.at("o"), 0o644),
    )?;
    t.refused("write to it", rustix::io::write(&other, b"x"), Errno::NOSPC);
    let size = rustix::fs::fstat(&other).map(|stat| (stat.st_size, stat.st_blocks));
    t.same("nothing in it", size, Ok((0, 0)));
    t.done("mkdir", syscalls::mkdir(small.at("d"), 0o755))?;
    Ok(())
}

fn size_freed(t: &Test) -> Case {
    let small = Small::new(&t.mount.kind, "small", "size=64k");
    let small = t.done("mount", small)?;
    let free = || small.space().map(|space| space.free_blocks);
    let fill = || syscalls::write_file(small.at("file"), &[1; 65_536]);
    for round in 0..20 {
        t.done("fill", fill())?;
        t.same("full", free(), Ok(0));
        match round % 5 {
            0 => t.done("unlink", syscalls::unlink(small.at("file")))?,
            1 => t.done("truncate", syscalls::truncate(small.at("file"), 0))?,
            2 => t.done("O_TRUNC", syscalls::write_file(small.at("file"), b""))?,
            3 => {
                t.done("creat", syscalls::create(small.at("empty"), 0o644))?;
                t.done(
                    "rename",
                    syscalls::rename(small.at("empty"), small.at("file")),
                )?;
            }
            _ => {
                t.done("truncate", syscalls::truncate(small.at("file"), 5000))?;
                t.same("all but two pages", free(), Ok(14));
                t.done("unlink", syscalls::unlink(small.at("file")))?;
            }
        }
        t.same("free", free(), Ok(16));
    }
    // A write at the limit is short.
    let fd = t.done("creat", syscalls::create(small.at("large"), 0o644))?;
    t.same(
        "short write",
        rustix::io::write(&fd, &[2; 100_000]),
        Ok(65_536),
    );
    let size = rustix::fs::fstat(&fd).map(|stat| stat.st_size);
    t.same("size", size, Ok(65_536));
    Ok(())
}

/// An open file keeps its space until it is closed, also without a name.
fn open_files(t: &Test) -> Case {
    let small = Small::new(&t.mount.kind, "small", "size=64k");
    let small = t.done("mount", small)?;
    let fd = t.done(
        "O_TMPFILE",
        syscalls::open(small.root(), O::TMPFILE | O::RDWR, 0o600),
    )?;
    t.done("write", syscalls::write_all(&fd, &[1; 32_768]))?;
    t.done(
        "write",
        syscalls::write_file(small.at("file"), &[1; 32_768]),
    )?;
    let named = t.done("open", syscalls::open_ro(small.at("file")))?;
    t.done("unlink", syscalls::unlink(small.at("file")))?;
    let free = || small.space().map(|space| space.free_blocks);
    t.same("none is free", free(), Ok(0));
    let answer = syscalls::write_file(small.at("new"), b"x");
    t.refused("write", answer, Errno::NOSPC);
    drop(fd);
    t.same("half is free", free(), Ok(8));
    drop(named);
    t.same("all is free", free(), Ok(16));
    t.done("write", syscalls::write_file(small.at("new"), b"x"))
}

fn holes(t: &Test) -> Case {
    let small = Small::new(&t.mount.kind, "small", "size=64k");
    let small = t.done("mount", small)?;
    let free = || small.space().map(|space| space.free_blocks);
    let fd = t.done("creat", syscalls::create(small.at("file"), 0o644))?;
    t.done("a hole of a gibibyte", rustix::fs::ftruncate(&fd, 1 << 30))?;
    t.same("takes nothing", free(), Ok(16));
    t.same("is zeros", syscalls::pread(&fd, 4, 1 << 29), Ok(vec![0; 4]));
    t.same("reading takes nothing", free(), Ok(16));
    for page in 0..16 {
        let at = page << 26;
        t.same("write into it", rustix::io::pwrite(&fd, b"x", at), Ok(1));
    }
    t.refused(
        "one more",
        rustix::io::pwrite(&fd, b"x", 4096),
        Errno::NOSPC,
    );
    t.done("truncate", rustix::fs::ftruncate(&fd, 1 << 29))?;
    t.same("half is free", free(), Ok(8));
    t.same("one more then", rustix::io::pwrite(&fd, b"x", 4096), Ok(1));
    Ok(())
}

fn mapping(t: &Test) -> Case {
    let small = Small::new(&t.mount.kind, "small", "size=64k");
    let small = t.done("mount", small)?;
    let sink = t.done("creat", syscalls::create(t.at("sink"), 0o644))?;
    let fd = t.done("creat", syscalls::create(small.at("file"), 0o644))?;
    t.done("size", rustix::fs::ftruncate(&fd, 20 * PAGE as u64))?;
    {
        let map = Mapping::new(fd.as_fd(), 20 * PAGE, true, libc::MAP_SHARED);
        let map = t.done("mmap", map)?;
        for page in 0..16 {
            map.set(page * PAGE, b'x');
        }
        let full = small.space().map(|space| space.free_blocks);
        t.same("full", full, Ok(0));
        // Where a store of the process raises SIGBUS, a store of the kernel fails.
        t.done("write", syscalls::write_all(&sink, b"y"))?;
        let answer = map.fill_from(17 * PAGE, sink.as_fd());
        t.refused("a page more", answer, Errno::FAULT);
        t.same("what was stored", map.get(15 * PAGE), b'x');
        t.done("msync", map.sync())?;
    }
    let stat = t.done("fstat", rustix::fs::fstat(&fd))?;
    t.same("blocks", stat.st_blocks, 128);
    t.same(
        "read",
        syscalls::pread(&fd, 1, 15 * PAGE as u64),
        Ok(b"x".to_vec()),
    );
    t.done("truncate", rustix::fs::ftruncate(&fd, 0))?;
    t.same(
        "freed",
        small.space().map(|space| space.free_blocks),
        Ok(16),
    );
    Ok(())
}

fn allocation(t: &Test) -> Case {
    let small = Small::new(&t.mount.kind, "small", "size=64k");
    let small = t.done("mount", small)?;
    let free = || small.space().map(|space| space.free_blocks);
    let fd = t.done("creat", syscalls::create(small.at("file"), 0o644))?;
    t.done("write", syscalls::write_all(&fd, b"text"))?;
    let none = FallocateFlags::empty();
    let answer = rustix::fs::fallocate(&fd, none, 0, 100_000);
    t.refused("more than there is", answer, Errno::NOSPC);
    t.same("nothing is kept of it", free(), Ok(15));
    t.same(
        "size stays",
        rustix::fs::fstat(&fd).map(|stat| stat.st_size),
        Ok(4),
    );
    t.same("contents", syscalls::pread(&fd, 9, 0), Ok(b"text".to_vec()));
    t.done("all there is", rustix::fs::fallocate(&fd, none, 0, 65_536))?;
    t.same("full", free(), Ok(0));
    let answer = syscalls::write_file(small.at("other"), b"x");
    t.refused("another's write", answer, Errno::NOSPC);
    t.same("one's own", rustix::io::pwrite(&fd, b"x", 65_535), Ok(1));
    Ok(())
}

/// Pages count where they are moved to, and no more where they were.
fn migration(t: &Test) -> Case {
    let small = Small::new(&t.mount.kind, "small", "size=64k");
    let small = t.done("mount", small)?;
    let used = || -> SyscallResult<u64> {
        let space = small.space()?;
        Ok(space.blocks - space.free_blocks)
    };
    let fd = t.done("creat", syscalls::create(small.at("file"), 0o644))?;
    t.done("write", syscalls::write_all(&fd, &[b'x'; 8 * PAGE]))?;
    let (start, length) = (8 * PAGE as u64, 4 * PAGE as u64);
    let allocated = rustix::fs::fallocate(&fd, FallocateFlags::empty(), start, length);
    t.done("fallocate", allocated)?;
    let blocks = || rustix::fs::fstat(&fd).map(|stat| stat.st_blocks);
    {
        let map = Mapping::new(fd.as_fd(), 12 * PAGE, false, libc::MAP_SHARED);
        let map = t.done("mmap", map)?;
        let seen = |map: &Mapping| [0, 7, 8, 11].map(|page| map.get(page * PAGE));
        t.same("before", seen(&map), *b"xx\0\0");
        match t.mount.manner.in_userns() {
            true => t.refused("migrate", map.advise(libc::MADV_SOFT_OFFLINE), Errno::PERM),
            false => t
                .done("migrate", map.advise(libc::MADV_SOFT_OFFLINE))
                .map(drop)?,
        }
        t.same("after", seen(&map), *b"xx\0\0");
    }
    t.same("space used", used(), Ok(12));
    t.same("blocks", blocks(), Ok(96));
    t.done("write", rustix::io::pwrite(&fd, &[b'y'; 12 * PAGE], 0))?;
    t.same("written again", used(), Ok(12));
    t.done("half", rustix::fs::ftruncate(&fd, 6 * PAGE as u64))?;
    t.same("half is left", (used(), blocks()), (Ok(6), Ok(48)));
    t.done("unlink", syscalls::unlink(small.at("file")))?;
    drop(fd);
    t.same("nothing is left", used(), Ok(0));
    Ok(())
}

/// Root of a user namespace may set attributes of security modules, up to a limit.
fn attributes_kept(t: &Test) -> Case {
    let small = Small::new(&t.mount.kind, "small", "size=64k");
    let small = t.done("mount", small)?;
    let file = small.at("file");
    t.done("creat", syscalls::create(&file, 0o644))?;
    let set = |name: &str, value: &[u8]| syscalls::set_xattr(&file, name, value);
    if t.mount.kind == "tmpfs" {
        // Takes them from the space for inodes, of which there is much.
        for number in 0..129 {
            t.done("set", set(&format!("security.a{number}"), b"v"))?;
        }
        return Ok(());
    }
    t.done("as large as may be", set("security.large", &[1; 65_536]))?;
    t.done("all the space", set("user.large", &[1; 65_536]))?;
    t.refused("a byte more", set("security.a", b"v"), Errno::NOSPC);
    t.done("remove", syscalls::remove_xattr(&file, "user.large"))?;
    for number in 1..128 {
        let kind = ["security", "user"][number % 2];
        t.done("set", set(&format!("{kind}.a{number}"), b"v"))?;
    }
    t.refused("one more", set("security.a", b"v"), Errno::NOSPC);
    t.refused("or of users", set("user.a", b"v"), Errno::NOSPC);
    t.done("remove", syscalls::remove_xattr(&file, "security.a4"))?;
    // The new value counts before the old value is released.
    t.done("another value", set("security.a2", b"w"))?;
    t.done("set", set("user.a", b"v"))?;
    Ok(())
}

fn inodes_kept(t: &Test) -> Case {
    let small = Small::new(&t.mount.kind, "small", "nr_inodes=10");
    let small = t.done("mount", small)?;
    let begin = t.done("statfs", small.space())?;
    // The root is one.
    t.same("inodes", (begin.inodes, begin.free_inodes), (10, 9));
    t.done("mkdir", syscalls::mkdir(small.at("dir"), 0o777))?;
    for number in 1..9 {
        t.done(
            "creat",
            syscalls::create(small.at(&format!("f{number}")), 0o644),
        )?;
    }
    t.same("full", small.space().map(|space| space.free_inodes), Ok(0));
    let new = small.at("dir/new");
    let tmpfile = syscalls::open(small.root(), O::TMPFILE | O::RDWR, 0o600);
    let whiteout = syscalls::rename_with(small.at("f1"), small.at("f9"), RenameFlags::WHITEOUT);
    let answers = [
        ("creat", syscalls::create(&new, 0o644).map(drop)),
        ("mkdir", syscalls::mkdir(&new, 0o755)),
        ("mknod", syscalls::mknod(&new, FileType::Fifo, 0o644, 0)),
        ("symlink", syscalls::symlink("x", &new)),
        ("tmpfile", tmpfile.map(drop)),
        ("whiteout", whiteout),
    ];
    for (what, answer) in answers {
        t.refused(what, answer, Errno::NOSPC);
    }
    t.same(
        "nothing made",
        syscalls::names(small.at("dir")),
        Ok(Vec::new()),
    );
    t.same("directory's links", syscalls::links(small.at("dir")), Ok(2));
    t.same(
        "root's names",
        syscalls::names(small.root()).map(|all| all.len()),
        Ok(9),
    );
    t.done("what was to move", syscalls::stat(small.at("f1")))?;
    t.done("write", syscalls::write_file(small.at("f2"), b"text"))?;
    t.done(
        "rename",
        syscalls::rename(small.at("f1"), small.at("dir/f1")),
    )?;
    let swap = syscalls::rename_with(small.at("f2"), small.at("dir"), RenameFlags::EXCHANGE);
    t.done("exchange", swap)
}

fn inodes_freed(t: &Test) -> Case {
    let small = Small::new(&t.mount.kind, "small", "nr_inodes=200");
    let small = t.done("mount", small)?;
    let begin = t.done("statfs", small.space())?;
    for _ in 0..3 {
        let mut made = 0;
        while syscalls::mknod(small.at(&format!("f{made}")), FileType::Fifo, 0o644, 0).is_ok() {
            made += 1;
            if made > 1000 {
                break;
            }
        }
        t.same("as many as said", made, 199);
        t.same("full", small.space().map(|space| space.free_inodes), Ok(0));
        for number in 0..made {
            t.done("unlink", syscalls::unlink(small.at(&format!("f{number}"))))?;
        }
        t.same("all free", small.space(), Ok(begin));
    }
    for _ in 0..300 {
        let fd = syscalls::open(small.root(), O::TMPFILE | O::RDWR, 0o600);
        t.done("tmpfile and gone", fd)?;
        t.done("mkdir", syscalls::mkdir(small.at("d"), 0o755))?;
        t.done("rmdir", syscalls::rmdir(small.at("d")))?;
    }
    t.same("all free", small.space(), Ok(begin));
    t.done("umount", small.end())
}

/// Each hard link counts as an inode, but for the first name of an `O_TMPFILE` file.
fn inodes_of_links(t: &Test) -> Case {
    let small = Small::new(&t.mount.kind, "small", "nr_inodes=7");
    let small = t.done("mount", small)?;
    let [file, link, other] = ["file", "link", "other"].map(|name| small.at(name));
    let free = |name, expected| {
        t.same(
            name,
            small.space().map(|space| space.free_inodes),
            Ok(expected),
        );
    };
    t.done("mknod", syscalls::mknod(&file, FileType::Fifo, 0o644, 0))?;
    free("file", 5);
    t.done("link", syscalls::link(&file, &link))?;
    free("link", 4);
    t.refused("over itself", syscalls::link(&file, &link), Errno::EXIST);
    free("not linked", 4);
    t.done("unlink", syscalls::unlink(&file))?;
    free("link unlinked", 5);
    t.done("link back", syscalls::link(&link, &file))?;
    t.done("mknod", syscalls::mknod(&other, FileType::Fifo, 0o644, 0))?;
    free("another file", 3);
    t.done("rename over a link", syscalls::rename(&other, &link))?;
    free("link replaced", 4);

    let fd = syscalls::open(small.root(), O::TMPFILE | O::RDWR, 0o600);
    let fd = t.done("tmpfile", fd)?;
    free("tmpfile", 3);
    let [first, second, third] = ["t1", "t2", "t3"].map(|name| small.at(name));
    t.done("first name", syscalls::link_open(&fd, &first))?;
    free("first name", 3);
    t.done("second name", syscalls::link_open(&fd, &second))?;
    free("second name", 2);
    t.done("third name", syscalls::link_open(&fd, &third))?;
    t.done("link", syscalls::link(&file, &other))?;
    free("full", 0);
    let more = small.at("more");
    t.refused("link when full", syscalls::link(&file, &more), Errno::NOSPC);
    t.refused("no name", syscalls::stat(&more).map(drop), Errno::NOENT);
    t.same("links", syscalls::links(&file), Ok(2));
    for name in [&first, &second, &third] {
        t.done("unlink", syscalls::unlink(name))?;
    }
    // The descriptor holds the inode.
    free("names of the tmpfile unlinked", 2);
    drop(fd);
    free("tmpfile closed", 3);
    t.done("umount", small.end())
}

fn remount_grows(t: &Test) -> Case {
    let options = "size=64k,nr_inodes=10,mode=750,uid=1000,gid=3000";
    let small = t.done("mount", Small::new(&t.mount.kind, "small", options))?;
    t.done("fill", syscalls::write_file(small.at("file"), &[1; 65_536]))?;
    let answer = syscalls::write_file(small.at("more"), b"x");
    t.refused("full", answer, Errno::NOSPC);
    t.done("remount", small.remount("size=128k,nr_inodes=20"))?;
    let expected = Space {
        blocks: 32,
        free_blocks: 16,
        inodes: 20,
        free_inodes: 17,
    };
    t.same("space", small.space(), Ok(expected));
    t.done(
        "write",
        syscalls::write_file(small.at("more"), &[2; 65_536]),
    )?;
    t.same(
        "owner stays",
        syscalls::owner(small.root()),
        Ok((1000, 3000)),
    );
    t.same("mode stays", syscalls::mode(small.root()), Ok(0o750));
    t.done("unlink", syscalls::unlink(small.at("more")))?;
    t.done("back", small.remount("size=64k,nr_inodes=10"))?;
    t.same("blocks", small.space().map(|space| space.blocks), Ok(16));
    t.holds(
        "nothing lost",
        syscalls::read_file(small.at("file")) == Ok(vec![1; 65_536]),
    );
    Ok(())
}

fn remount_refused(t: &Test) -> Case {
    let options = "size=64k,nr_inodes=10";
    let small = t.done("mount", Small::new(&t.mount.kind, "small", options))?;
    t.done("fill", syscalls::write_file(small.at("file"), &[1; 65_536]))?;
    for number in 0..5 {
        t.done(
            "mkdir",
            syscalls::mkdir(small.at(&format!("d{number}")), 0o755),
        )?;
    }
    let before = small.space();
    for options in ["size=32k", "nr_inodes=5", "size=x", "nr_inodes=20,size=32k"] {
        t.refused(options, small.remount(options), Errno::INVAL);
        t.same("as before", small.space(), before);
    }
    t.done("as it is used", small.remount("size=64k,nr_inodes=7"))?;
    let answer = syscalls::mkdir(small.at("new"), 0o755);
    t.refused("full", answer, Errno::NOSPC);
    Ok(())
}

fn options_of_root(t: &Test) -> Case {
    let plain = t.done("mount", Small::new(&t.mount.kind, "small", ""))?;
    t.same("mode", syscalls::mode(plain.root()), Ok(0o1777));
    t.same("owner", syscalls::owner(plain.root()), Ok((0, 0)));
    t.done("umount", plain.end())?;
    let options = "mode=2751,uid=1000,gid=3000";
    let small = t.done("mount", Small::new(&t.mount.kind, "small", options))?;
    t.same("mode", syscalls::mode(small.root()), Ok(0o2751));
    t.same("owner", syscalls::owner(small.root()), Ok((1000, 3000)));
    t.same("links", syscalls::links(small.root()), Ok(2));
    t.done("mkdir", syscalls::mkdir(small.at("d"), 0o755))?;
    t.same("its group", syscalls::owner(small.at("d")), Ok((0, 3000)));
    Ok(())
}

/// Only options that were given are shown.
fn options_shown(t: &Test) -> Case {
    let options = "size=64k,nr_inodes=10,mode=750,uid=1000,gid=3000";
    let small = t.done("mount", Small::new(&t.mount.kind, "small", options))?;
    let shown = t.done("mountinfo", small.options())?;
    for option in options.split(',') {
        // In a user namespace tmpfs shows the ids of the first one.
        if t.mount.manner.in_userns() && option.contains("id=") {
            continue;
        }
        let there = shown.iter().any(|shown| shown == option);
        t.holds(&format!("{option} among {shown:?}"), there);
    }
    if t.mount.manner.in_userns() {
        return Ok(());
    }
    let plain = t.done("mount", Small::new(&t.mount.kind, "plain", ""))?;
    let shown = t.done("mountinfo", plain.options())?;
    for option in ["mode=", "uid=", "gid="] {
        let there = shown.iter().any(|shown| shown.starts_with(option));
        t.holds(&format!("no {option} among {shown:?}"), !there);
    }
    Ok(())
}

/// 0 is no limit.
fn unlimited(t: &Test) -> Case {
    let options = "size=0,nr_inodes=0";
    let small = t.done("mount", Small::new(&t.mount.kind, "small", options))?;
    let space = t.done("statfs", small.space())?;
    t.same("no counts", (space.blocks, space.inodes), (0, 0));
    t.done(
        "write",
        syscalls::write_file(small.at("file"), &[1; 100_000]),
    )?;
    let less = small.remount("size=64k");
    t.refused("a limit below what is used", less, Errno::INVAL);
    let limited = small.remount("nr_inodes=10");
    if t.mount.kind == "tmpfs" {
        // It counts none while there is no limit.
        t.refused("of inodes", limited, Errno::INVAL);
        return Ok(());
    }
    t.done("of inodes", limited)?;
    let space = t.done("statfs", small.space())?;
    t.same("counts", (space.inodes, space.free_inodes), (10, 8));
    Ok(())
}
