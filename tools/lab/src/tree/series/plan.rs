// SPDX-License-Identifier: GPL-2.0

//! The order of the series, from ids up to documents. The first part stands alone: typed ids and
//! the idmap of a mount, without the checks.

/// A patch of the series.
pub(crate) enum Step {
    /// Adds our own files.
    Add(Addition),
    /// A patch of the checkout, by the start of its name.
    Patch(&'static str),
}

/// A patch that adds files.
pub(crate) struct Addition {
    /// Files, directories, or starts of names. A file is added by the first step that has it.
    pub(crate) paths: &'static [&'static str],
    pub(crate) subject: &'static str,
    pub(crate) text: &'static str,
}

use Step::Patch;

const fn add(paths: &'static [&'static str], subject: &'static str, text: &'static str) -> Step {
    Step::Add(Addition {
        paths,
        subject,
        text,
    })
}

/// All patches, in order.
pub(crate) const PLAN: &[Step] = &[
    // Ids, maps, and the idmap of a mount as C makes it.
    add(
        &["rust/kernel/uidgid.rs"],
        "rust: add typed user and group ids",
        "In C an id of a program, an id of the kernel, the owner that an inode\n\
         stores and an id of a mount are numbers. Add a type for each, so that\n\
         an id changes its type only by a map. Nothing builds it yet.",
    ),
    add(
        &["rust/kernel/user_namespace"],
        "rust: add user namespaces and their id maps",
        "Wrap struct user_namespace and read its maps with the barriers of\n\
         map_write(). Extents and maps are checked when they are made. Nothing\n\
         builds it yet.",
    ),
    add(
        &[
            "rust/kernel/fs/mnt_idmapping.rs",
            "rust/kernel/fs/mnt_idmapping/opaque.rs",
            "rust/kernel/fs/mnt_idmapping/lookup.rs",
            "rust/kernel/fs/mnt_idmapping/vfsid.rs",
        ],
        "rust: fs: add the idmap of a mount",
        "Wrap struct mnt_idmap, and allow a mount id to be compared with the id\n\
         of a caller and with no other. Nothing builds it yet.",
    ),
    Patch("0001-"),
    // The idmap of a mount in Rust.
    add(
        &["rust/kernel/fs/mnt_idmapping/kind_map.rs"],
        "rust: fs: mnt_idmapping: add the maps of an idmap",
        "A map is in memory of its own, laid out for lookups: the extent that a\n\
         lookup tries first, up to five others beside it, or an index.",
    ),
    add(
        &["rust/kernel/fs/mnt_idmapping/in_use.rs"],
        "rust: fs: mnt_idmapping: share the idmaps in use",
        "All mounts that are idmapped by one user namespace share one idmap. A\n\
         hash table has the idmaps in use.",
    ),
    add(
        &["rust/kernel/fs/mnt_idmapping/idmap.rs"],
        "rust: fs: mnt_idmapping: add reference counted idmaps",
        "Make an idmap from the maps of a user namespace, and map ids by it. The\n\
         last reference may be dropped in atomic context.",
    ),
    add(
        &["rust/kernel/fs/mnt_idmapping/ffi.rs"],
        "rust: fs: mnt_idmapping: add the functions that C calls",
        "They have the names and the semantics of fs/mnt_idmapping.c. Nothing\n\
         builds them before CONFIG_RUST_MNT_IDMAPPING exists.",
    ),
    // The checks that use an idmap, by the C file that they are in.
    add(
        &["rust/kernel/fs/mode", "rust/kernel/fs/inode.rs"],
        "rust: fs: add mode bits and inodes",
        "Bind umode_t, S_* and MAY_*, and wrap struct inode.",
    ),
    add(
        &[
            "rust/kernel/fs/permission/access.rs",
            "rust/kernel/fs/permission/error.rs",
            "rust/kernel/fs/permission/traits.rs",
            "rust/kernel/fs/permission/values.rs",
        ],
        "rust: fs: permission: describe callers, inodes and idmaps",
        "A check takes a caller, an inode and an idmap as traits. It does not\n\
         sleep, allocate or log, and user space can compile it.",
    ),
    add(
        &[
            "rust/kernel/fs/permission/owner.rs",
            "rust/kernel/fs/permission/ffi/owner.rs",
        ],
        "rust: fs: permission: compare owners and check capabilities",
        "The checks of fs/inode.c and kernel/capability.c:\n\
         inode_owner_or_capable(), in_group_or_capable(),\n\
         capable_wrt_inode_uidgid().",
    ),
    add(
        &[
            "rust/kernel/fs/permission/generic.rs",
            "rust/kernel/fs/permission/namei.rs",
            "rust/kernel/fs/permission/ffi/generic.rs",
            "rust/kernel/fs/permission/ffi/namei.rs",
        ],
        "rust: fs: permission: check mode bits and the sticky bit",
        "The checks of fs/namei.c: generic_permission(), __check_sticky().",
    ),
    add(
        &[
            "rust/kernel/fs/permission/init_owner.rs",
            "rust/kernel/fs/permission/ffi/init_owner.rs",
        ],
        "rust: fs: permission: initialize the owner of an inode",
        "inode_init_owner() and mode_strip_sgid() of fs/inode.c.",
    ),
    add(
        &[
            "rust/kernel/fs/permission/attr.rs",
            "rust/kernel/fs/permission/ffi/attr.rs",
        ],
        "rust: fs: permission: check changes of attributes",
        "The checks of fs/attr.c: setattr_prepare(), setattr_should_drop_sgid(),\n\
         setattr_should_drop_suidgid().",
    ),
    add(
        &[
            "rust/kernel/fs/permission/acl.rs",
            "rust/kernel/fs/permission/ffi/acl.rs",
        ],
        "rust: fs: permission: check and map POSIX ACLs",
        "posix_acl_permission() of fs/posix_acl.c, and the maps of the ids of an\n\
         ACL that is read or set through a mount.",
    ),
    add(
        &[
            "rust/kernel/fs/permission/fscaps.rs",
            "rust/kernel/fs/permission/ffi/fscaps.rs",
        ],
        "rust: fs: permission: map the root uid of file capabilities",
        "cap_inode_getsecurity(), cap_convert_nscap() and\n\
         get_vfs_caps_from_disk() of security/commoncap.c.",
    ),
    add(
        &[
            "rust/kernel/fs/permission/idmap_mount.rs",
            "rust/kernel/fs/permission/ffi/idmap_mount.rs",
        ],
        "rust: fs: permission: check whether a mount may be idmapped",
        "build_mount_idmapped() and can_idmap_mount() of fs/namespace.c.",
    ),
    add(
        &[
            "rust/kernel/fs/permission/nested.rs",
            "rust/kernel/fs/permission/ffi/nest",
        ],
        "rust: fs: permission: compose nested idmaps",
        "The conditions and the composition of\n\
         Documentation/filesystems/rust-idmapping-nested.rst.",
    ),
    add(
        &[
            "rust/kernel/fs/permission.rs",
            "rust/kernel/fs/permission/current.rs",
            "rust/kernel/fs/permission/ffi.rs",
            "rust/helpers/permission.c",
            "include/linux/rust_permission.h",
        ],
        "rust: fs: permission: check the current task",
        "Implement the traits for the current task and for inodes, and declare\n\
         the functions that C calls. Nothing builds them yet.",
    ),
    add(
        &[
            "rust/kernel/fs/mnt_idmapping/tests",
            "rust/kernel/fs/.kunitconfig",
            "fs/tests/mnt_idmapping_oracle",
        ],
        "rust: fs: mnt_idmapping: add KUnit tests",
        "Compare idmaps with those of fs/mnt_idmapping.c in the same kernel.",
    ),
    add(
        &[
            "rust/kernel/fs/permission/tests",
            "fs/tests/rust_permission",
        ],
        "rust: fs: permission: add KUnit tests",
        "Compare each check with its C function: exhaustively for small sets of\n\
         modes, callers and masks, and with random maps, ACLs and capabilities.",
    ),
    Patch("0002-"),
    Patch("0003-"),
    Patch("0004-"),
    Patch("0005-"),
    Patch("0006-"),
    Patch("0007-"),
    Patch("0008-"),
    Patch("0009-"),
    Patch("0010-"),
    Patch("0011-"),
    Patch("0012-fs-"),
    // Abstractions for filesystems, object by object.
    add(
        &[
            "rust/kernel/fs/filesystem.rs",
            "rust/kernel/fs/registration.rs",
            "rust/helpers/filesystem.c",
        ],
        "rust: fs: add filesystem types",
        "Describe a filesystem by its name, its flags and the types of its data,\n\
         and register it.",
    ),
    add(
        &["rust/kernel/fs/context"],
        "rust: fs: add mount contexts and mount options",
        "Wrap struct fs_context, and describe mount options with their types.",
    ),
    add(
        &["rust/kernel/fs/super_"],
        "rust: fs: add superblocks and their operations",
        "Create the data of a superblock before its root inode, and drop it after\n\
         its last inode.",
    ),
    add(
        &["rust/kernel/fs/inode/", "rust/kernel/fs/inode_cache"],
        "rust: fs: add inodes with data, and their locks",
        "An inode of a filesystem has data in its slab. The type of a reference,\n\
         Locked or SharedLocked, states how its i_rwsem is held.",
    ),
    add(
        &["rust/kernel/fs/dentry.rs", "rust/kernel/fs/rename.rs"],
        "rust: fs: add dentries",
        "An operation that succeeds returns a proof that it has created, removed\n\
         or renamed this dentry.",
    ),
    add(
        &[
            "rust/kernel/fs/iattr.rs",
            "rust/kernel/fs/kstat.rs",
            "rust/kernel/fs/file_attr.rs",
            "rust/kernel/fs/caller.rs",
        ],
        "rust: fs: add attributes and the caller",
        "Attributes change only after setattr_prepare() with the idmap of the\n\
         mount. A filesystem gets the ids and capabilities of its caller.",
    ),
    add(
        &["rust/kernel/fs/posix_acl.rs", "rust/kernel/fs/xattr"],
        "rust: fs: add POSIX ACLs and extended attributes",
        "The ids of an ACL are those of the filesystem.",
    ),
    add(
        &["rust/kernel/fs/inode_ops"],
        "rust: fs: add inode operations",
        "Each operation that creates an inode or depends on its owner gets the\n\
         idmap of the mount.",
    ),
    add(
        &[
            "rust/kernel/fs/file_ops",
            "rust/kernel/fs/dir_context.rs",
            "rust/kernel/fs/address_space",
        ],
        "rust: fs: add file operations and address spaces",
        "For files whose contents are made when they are read, and for ioctls.",
    ),
    add(
        &["rust/kernel/fs/new_inode"],
        "rust: fs: add new inodes",
        "A new inode takes a proof that the filesystem can store the ids of its\n\
         caller.",
    ),
    add(
        &["rust/kernel/fs/memfs"],
        "rust: fs: add filesystems in memory",
        "Names are in the dentry cache and contents in the page cache.",
    ),
    add(
        &["rust/kernel/fs/tests"],
        "rust: fs: add KUnit tests of the abstractions",
        "Register and mount a small filesystem, call its operations, and make\n\
         each step of a mount fail.",
    ),
    Patch("0013-rust-"),
    Patch("0014-fs-"),
    Patch("0015-rust-"),
    add(
        &["samples/rust/rust_minimal_fs.rs"],
        "samples: rust: add the smallest filesystem",
        "It is in memory, and its mounts can be idmapped.",
    ),
    add(
        &["samples/rust/rust_idmapfs"],
        "samples: rust: add a filesystem with idmapped mounts",
        "It uses all abstractions, and is in safe Rust only.",
    ),
    Patch("0016-"),
    // Tests from user space, and documents.
    add(
        &[
            "tools/testing/selftests/rust_idmap/src/ops",
            "tools/testing/selftests/rust_idmap/src/op.rs",
            "tools/testing/selftests/rust_idmap/src/attr.rs",
            "tools/testing/selftests/rust_idmap/src/calls.rs",
            "tools/testing/selftests/rust_idmap/src/ring.rs",
        ],
        "selftests: rust_idmap: try each operation through idmapped mounts",
        "As the owner, a member of the group, a stranger, an unmapped caller and a\n\
         caller with capabilities. Nothing builds it yet.",
    ),
    add(
        &["tools/testing/selftests/rust_idmap/src/scenarios"],
        "selftests: rust_idmap: try other users of idmaps",
        "Overlayfs, quotas, exports, AF_UNIX, audit, AppArmor and IMA. Nothing\n\
         builds it yet.",
    ),
    add(
        &[
            "tools/testing/selftests/rust_idmap/src/setattr",
            "tools/testing/selftests/rust_idmap/src/sysctl.rs",
        ],
        "selftests: rust_idmap: try the calls that idmap mounts",
        "mount_setattr(), open_tree_attr() and statmount(). Nothing builds it yet.",
    ),
    add(
        &[
            "tools/testing/selftests/rust_idmap/src/main.rs",
            "tools/testing/selftests/rust_idmap/src/caller.rs",
            "tools/testing/selftests/rust_idmap/src/fixture.rs",
            "tools/testing/selftests/rust_idmap/src/netlink.rs",
            "tools/testing/selftests/rust_idmap/src/runner.rs",
        ],
        "selftests: rust_idmap: run the tests on all filesystems",
        "As each caller, from each user namespace, or on one filesystem by its\n\
         name. Nothing builds it yet.",
    ),
    add(
        &["tools/testing"],
        "selftests: rust_idmap: build the program",
        "Add the system calls, the user namespaces and the filesystems that the\n\
         tests share. The program is independent of the implementation.",
    ),
    add(
        &["scripts/coccinelle"],
        "coccinelle: fs: find filesystems that do not use the idmap of a mount",
        "Five rules find raw owners, dropped idmaps and missing checks of the\n\
         caller.",
    ),
    add(
        &[
            "Documentation/filesystems/rust-idmapping-porting",
            "Documentation/filesystems/rust-idmapping-glossary",
        ],
        "docs: filesystems: describe the port of a filesystem to idmapped mounts",
        "The steps in C and in Rust, with searches and tests.",
    ),
    add(
        &["Documentation"],
        "docs: filesystems: describe the id mappings of mounts in Rust",
        "The layers, the tests, nested idmaps, and worked numbers with pictures.",
    ),
];
