// SPDX-License-Identifier: GPL-2.0

//! A caller, an inode, and a mount, chosen at random.

mod random;

use crate::{
    alloc::flags::{
        __GFP_ZERO,
        GFP_KERNEL, //
    },
    bindings,
    error::from_err_ptr,
    fmt,
    fs::mnt_idmapping::{
        tests::fake::{
            FakeNamespace,
            Random, //
        },
        MntIdmap, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        rcu, //
    },
    uidgid::{
        Group,
        User, //
    },
    user_namespace::{
        Extent,
        UserNamespace, //
    },
};
use core::{
    mem::MaybeUninit,
    ptr, //
};

/// The user and the group of the caller.
const CALLER: u32 = 1000;

/// A user without relation to the caller.
const NOBODY: u32 = 65534;

/// Three ids on disk: one that the mount maps to an id of the caller, one that it maps to another
/// id, and one that it does not map.
struct Stored {
    ids: [u32; 3],
}

/// A caller, an inode, and a mount, chosen at random.
///
/// The caller is the thread that runs the test. It has credentials of its own until the fixture is
/// dropped.
pub(super) struct Fixture {
    random: Random,
    inode: KBox<MaybeUninit<bindings::inode>>,
    dir: KBox<MaybeUninit<bindings::inode>>,
    /// The dentry of the inode, and the dentry of its directory.
    names: [KBox<MaybeUninit<bindings::dentry>>; 2],
    sb: KBox<MaybeUninit<bindings::super_block>>,
    /// User namespaces that the caller can be in, besides the initial one.
    namespaces: [FakeNamespace; 2],
    /// Idmaps that map 2000 to 1000 and 3000 to 5000. A lookup in the second one searches a bucket.
    mapped: [ARef<MntIdmap>; 2],
    /// The same idmaps in C.
    mapped_in_c: [*mut bindings::mnt_idmap; 2],
    acls: KVec<*mut bindings::posix_acl>,
    cred: *mut bindings::cred,
    /// The user namespace that the credentials had before.
    user_ns: *mut bindings::user_namespace,
    /// Supplementary groups of the caller: its groups before the test; 5000; 5000 and -1.
    groups: [*mut bindings::group_info; 3],
    /// The idmap of the mount: `nop_mnt_idmap`, one of `mapped`, or `invalid_mnt_idmap`.
    map: usize,
    /// Whether the user namespace of the filesystem is the second of `namespaces`, and not the
    /// initial one.
    fs_in_namespace: bool,
    /// [`bindings::MAY_NOT_BLOCK`] or 0.
    not_block: c_int,
}

impl Fixture {
    /// The number of relations of a caller to the owner and the group of an inode: each is an id of
    /// the caller, another id, or not mapped.
    pub(super) const RELATIONS: u32 = 9;

    pub(super) fn new(seed: u64) -> Result<Self> {
        let namespace = |ranges: &[(u32, u32, u32)]| -> Result<FakeNamespace> {
            let mut extents = KVec::new();
            for (first, lower, count) in ranges {
                let extent = Extent::new(*first, *lower, *count).map_err(|_| EINVAL)?;
                extents.push(extent, GFP_KERNEL)?;
            }
            let mut ns = FakeNamespace::new()?;
            ns.set::<User>(&extents)?;
            ns.set::<Group>(&extents)?;
            Ok(ns)
        };
        let few = namespace(&[(2000, CALLER, 1), (3000, 5000, 1)])?;
        let many = namespace(&[
            (1990, 7000, 1),
            (1992, 7002, 1),
            (1994, 7004, 1),
            (1996, 7006, 1),
            (2000, CALLER, 1),
            (3000, 5000, 1),
            (4_000_000_000, 9000, 1),
        ])?;
        let namespaces = [
            namespace(&[(0, CALLER, 1)])?,
            namespace(&[(0, CALLER, 10000)])?,
        ];
        for namespace in &namespaces {
            // SAFETY: The namespace is valid memory, and nothing else uses it.
            unsafe {
                (*namespace.as_ptr()).parent = &raw mut bindings::init_user_ns;
                (*namespace.as_ptr()).level = 1;
                (*namespace.as_ptr()).owner.val = NOBODY;
            }
        }
        // SAFETY: The fields of the namespaces that an idmap is made from are valid.
        let mapped = unsafe {
            [
                MntIdmap::new(UserNamespace::from_raw(few.as_ptr()))?,
                MntIdmap::new(UserNamespace::from_raw(many.as_ptr()))?,
            ]
        };
        let groups = |ids: &[u32]| -> Result<_> {
            // SAFETY: The function allocates memory for some groups.
            let groups = unsafe { bindings::groups_alloc(ids.len() as c_int) };
            if groups.is_null() {
                return Err(ENOMEM);
            }
            for (index, id) in ids.iter().enumerate() {
                // SAFETY: There is memory for so many groups, and nothing else uses it yet.
                unsafe {
                    let gid = (*groups).gid.as_mut_ptr().add(index);
                    gid.write(bindings::kgid_t { val: *id });
                }
            }
            Ok(groups)
        };
        let groups = [groups(&[5000])?, groups(&[5000, u32::MAX])?];
        // SAFETY: The fields of the namespaces that an idmap is made from are valid.
        let mapped_in_c = unsafe {
            [
                from_err_ptr(bindings::oracle_alloc_mnt_idmap(few.as_ptr()))?,
                from_err_ptr(bindings::oracle_alloc_mnt_idmap(many.as_ptr()))?,
            ]
        };
        // SAFETY: The new credentials belong to this thread only.
        let (cred, user_ns, groups) = unsafe {
            let cred = bindings::prepare_creds();
            if cred.is_null() {
                return Err(ENOMEM);
            }
            let user_ns = (*cred).user_ns;
            let [one, two] = groups;
            let groups = [(*cred).group_info, one, two];
            (*cred).fsuid.val = CALLER;
            (*cred).fsgid.val = CALLER;
            bindings::commit_creds(cred);
            (cred, user_ns, groups)
        };
        Ok(Self {
            random: Random::new(seed),
            inode: KBox::new_uninit(GFP_KERNEL | __GFP_ZERO)?,
            dir: KBox::new_uninit(GFP_KERNEL | __GFP_ZERO)?,
            names: [
                KBox::new_uninit(GFP_KERNEL | __GFP_ZERO)?,
                KBox::new_uninit(GFP_KERNEL | __GFP_ZERO)?,
            ],
            sb: KBox::new_uninit(GFP_KERNEL | __GFP_ZERO)?,
            namespaces,
            mapped,
            mapped_in_c,
            acls: KVec::new(),
            cred,
            user_ns,
            groups,
            map: 0,
            fs_in_namespace: false,
            not_block: 0,
        })
    }

    /// Sets the relation of the caller to the inode and the mode of the inode. All other properties
    /// are random.
    pub(super) fn shuffle(&mut self, relation: u32, mode: u16) -> Result {
        self.map = self.random.below(4) as usize;
        self.fs_in_namespace = self.random.below(4) == 0;
        let stored = self.stored();
        let capabilities = [
            0,
            1 << bindings::CAP_CHOWN,
            1 << bindings::CAP_DAC_OVERRIDE,
            1 << bindings::CAP_DAC_READ_SEARCH,
            1 << bindings::CAP_FOWNER,
            1 << bindings::CAP_FSETID,
            1 << bindings::CAP_SETFCAP,
            1 << bindings::CAP_SYS_ADMIN,
            u64::MAX,
        ][self.random.below(9) as usize];
        let group_info = self.groups[self.random.below(3) as usize];
        // nfsd and ksmbd can have invalid ids.
        let [fsuid, fsgid] = [(); 2].map(|()| match self.random.below(8) {
            0 => u32::MAX,
            _ => CALLER,
        });
        let user_ns = match self.random.below(4) {
            0 => self.namespaces[0].as_ptr(),
            1 => self.namespaces[1].as_ptr(),
            _ => self.user_ns,
        };
        self.not_block = [0, bindings::MAY_NOT_BLOCK as c_int][self.random.below(2) as usize];
        let posixacl = [0, bindings::SB_POSIXACL][self.random.below(2) as usize];
        let read_only = [0, 0, 0, bindings::SB_RDONLY][self.random.below(4) as usize];
        let acl = match self.random.below(2) {
            0 => ptr::null_mut(),
            _ => self.any_acl(&stored)?,
        };
        let (dir_flags, inode_flags) = (self.any_flags(), self.any_flags());
        let (dir_mode, dir_relation) = (self.random.below(0o10000), self.random.below(9));
        let (inode, dir, sb) = (self.inode(), self.dir(), self.sb.as_mut_ptr());
        let [name, dir_name] = self.names.each_mut().map(|name| name.as_mut_ptr());
        let name_type = if u32::from(mode) & bindings::S_IFMT == bindings::S_IFDIR {
            bindings::dentry_flags_DCACHE_DIRECTORY_TYPE
        } else {
            bindings::dentry_flags_DCACHE_REGULAR_TYPE
        };
        // SAFETY: The objects are valid memory, and nothing else uses them. The credentials belong
        // to this thread only.
        unsafe {
            (*sb).s_user_ns = if self.fs_in_namespace {
                self.namespaces[1].as_ptr()
            } else {
                &raw mut bindings::init_user_ns
            };
            (*sb).s_flags = posixacl | read_only;
            (*sb).s_time_gran = 1;
            (*inode).i_sb = sb;
            (*inode).i_mode = mode;
            (*inode).i_uid.val = stored.ids[relation as usize / 3];
            (*inode).i_gid.val = stored.ids[relation as usize % 3];
            (*inode).i_acl = acl;
            (*inode).i_flags = inode_flags;
            // There is no `->permission()`.
            (*inode).i_opflags = bindings::IOP_FASTPERM as u16;
            (*inode).i_size = 100;
            (*sb).s_maxbytes = 1000;
            (*dir).i_sb = sb;
            (*dir).i_mode = (bindings::S_IFDIR | dir_mode) as u16;
            (*dir).i_uid.val = stored.ids[dir_relation as usize / 3];
            (*dir).i_gid.val = stored.ids[dir_relation as usize % 3];
            (*dir).i_flags = dir_flags;
            (*dir).i_opflags = bindings::IOP_FASTPERM as u16;
            (*name).d_flags = name_type;
            (*name).d_inode = inode;
            (*name).d_parent = dir_name;
            (*dir_name).d_inode = dir;
            (*self.cred).cap_effective.val = capabilities;
            (*self.cred).user_ns = user_ns;
            (*self.cred).group_info = group_info;
            (*self.cred).fsuid.val = fsuid;
            (*self.cred).fsgid.val = fsgid;
        }
        Ok(())
    }

    /// Sets the relation of the caller to the inode, the mode of the inode, and the capabilities.
    /// There is no ACL, and the only user namespace is the initial one.
    pub(super) fn set(&mut self, idmapped: bool, relation: u32, mode: u16, capabilities: u64) {
        self.map = usize::from(idmapped);
        self.fs_in_namespace = false;
        self.not_block = 0;
        let ids = self.stored().ids;
        let (inode, sb) = (self.inode(), self.sb.as_mut_ptr());
        // SAFETY: The objects are valid memory, and nothing else uses them. The credentials belong
        // to this thread only.
        unsafe {
            (*sb).s_user_ns = &raw mut bindings::init_user_ns;
            (*sb).s_flags = 0;
            (*inode).i_mode = mode;
            (*inode).i_uid.val = ids[relation as usize / 3];
            (*inode).i_gid.val = ids[relation as usize % 3];
            (*inode).i_acl = ptr::null_mut();
            (*self.cred).cap_effective.val = capabilities;
            (*self.cred).user_ns = self.user_ns;
            (*self.cred).group_info = self.groups[0];
            (*self.cred).fsuid.val = CALLER;
            (*self.cred).fsgid.val = CALLER;
        }
    }

    /// Gives the caller the groups 5000 and -1, and the fsgid -1, which nfsd takes from its
    /// clients.
    pub(super) fn set_invalid_groups(&mut self) {
        // SAFETY: The credentials belong to this thread only.
        unsafe {
            (*self.cred).group_info = self.groups[2];
            (*self.cred).fsgid.val = u32::MAX;
        }
    }

    /// A random number below `limit`.
    pub(super) fn below(&mut self, limit: u32) -> u32 {
        self.random.below(limit)
    }

    /// Ids on disk for the three relations, which depend on the idmap.
    fn stored(&self) -> Stored {
        let ids = match self.map {
            // No idmap.
            0 => [CALLER, 5000, u32::MAX],
            // These are 2000, 3000 and 4000 in the second namespace.
            1 | 2 if self.fs_in_namespace => [3000, 4000, 5000],
            // The idmaps do not map 4000.
            1 | 2 => [2000, 3000, 4000],
            // `invalid_mnt_idmap`.
            _ => [CALLER, 5000, 0],
        };
        Stored { ids }
    }

    pub(super) fn inode(&self) -> *mut bindings::inode {
        self.inode.as_ptr().cast_mut()
    }

    /// The directory of the inode.
    pub(super) fn dir(&self) -> *mut bindings::inode {
        self.dir.as_ptr().cast_mut()
    }

    /// The dentry of the inode.
    pub(super) fn name(&self) -> *mut bindings::dentry {
        self.names[0].as_ptr().cast_mut().cast()
    }

    /// The ACL of the inode, or null.
    pub(super) fn acl(&self) -> *mut bindings::posix_acl {
        // SAFETY: The inode is valid.
        unsafe { (*self.inode()).i_acl }
    }

    /// The second of `namespaces`, and the user namespace of the caller.
    pub(super) fn namespaces(&self) -> [*mut bindings::user_namespace; 2] {
        // SAFETY: The credentials are valid.
        [self.namespaces[1].as_ptr(), unsafe { (*self.cred).user_ns }]
    }

    pub(super) fn may_not_block(&self) -> c_int {
        self.not_block
    }

    /// Enters an RCU read-side critical section if a permission check must not block.
    pub(super) fn walk(&self) -> Option<rcu::Guard> {
        (self.not_block != 0).then(rcu::read_lock)
    }

    /// The idmap in C, for `oracle_` functions.
    pub(super) fn idmap_in_c(&self) -> *mut bindings::mnt_idmap {
        match self.map {
            0 => &raw mut bindings::oracle_nop_mnt_idmap,
            1 => self.mapped_in_c[0],
            2 => self.mapped_in_c[1],
            _ => &raw mut bindings::oracle_invalid_mnt_idmap,
        }
    }

    pub(super) fn idmap(&self) -> *mut bindings::mnt_idmap {
        match self.map {
            0 => &raw mut bindings::nop_mnt_idmap,
            1 => self.mapped[0].as_ptr(),
            2 => self.mapped[1].as_ptr(),
            _ => &raw mut bindings::invalid_mnt_idmap,
        }
    }
}

impl fmt::Display for Fixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: The objects are valid.
        unsafe {
            let inode = self.inode();
            write!(
                f,
                "mode {:o} owner {} group {} flags {:x} sb {:x} acl {} dir {:o} {} {} {:x} map {} \
                 caps {:x} groups {}",
                (*inode).i_mode,
                (*inode).i_uid.val,
                (*inode).i_gid.val,
                (*inode).i_flags,
                (*(*inode).i_sb).s_flags,
                !(*inode).i_acl.is_null(),
                (*self.dir()).i_mode,
                (*self.dir()).i_uid.val,
                (*self.dir()).i_gid.val,
                (*self.dir()).i_flags,
                self.map,
                (*self.cred).cap_effective.val,
                (*(*self.cred).group_info).ngroups,
            )
        }
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        // SAFETY: The credentials belong to this thread, whose end drops the objects that they
        // refer to. They get back the objects from before the test. The fixture owns all others.
        unsafe {
            (*self.cred).user_ns = self.user_ns;
            (*self.cred).group_info = self.groups[0];
            for groups in &self.groups[1..] {
                bindings::groups_free(*groups);
            }
            for idmap in self.mapped_in_c {
                bindings::oracle_mnt_idmap_put(idmap);
            }
            for acl in &self.acls {
                bindings::posix_acl_release(*acl);
            }
        }
    }
}
