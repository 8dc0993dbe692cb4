// SPDX-License-Identifier: GPL-2.0
/*
 * Functions that KUnit tests call to reach static functions of fs/namei.c,
 * which includes this file.
 */
#include "rust_permission.h"

int kunit_may_follow_link(struct mnt_idmap *idmap, struct dentry *link,
			  umode_t dir_mode, vfsuid_t dir_vfsuid, bool protected,
			  bool rcu)
{
	struct vfsmount mnt = { .mnt_idmap = idmap };
	struct saved stack = { .link.dentry = link };
	struct nameidata nd = {
		.path.mnt = &mnt,
		.stack = &stack,
		.flags = rcu ? LOOKUP_RCU : 0,
		.dir_mode = dir_mode,
		.dir_vfsuid = dir_vfsuid,
	};
	int before = sysctl_protected_symlinks;
	int error;

	sysctl_protected_symlinks = protected;
	error = may_follow_link(&nd, d_inode(link));
	sysctl_protected_symlinks = before;
	return error;
}

int kunit_may_linkat(struct mnt_idmap *idmap, struct dentry *dentry,
		     bool protected)
{
	const struct path link = { .dentry = dentry };
	int before = sysctl_protected_hardlinks;
	int error;

	sysctl_protected_hardlinks = protected;
	error = may_linkat(idmap, &link);
	sysctl_protected_hardlinks = before;
	return error;
}

int kunit_may_create_in_sticky(struct mnt_idmap *idmap, struct inode *inode,
			       umode_t dir_mode, vfsuid_t dir_vfsuid,
			       int regular, int fifos)
{
	struct nameidata nd = { .dir_mode = dir_mode, .dir_vfsuid = dir_vfsuid };
	int regular_before = sysctl_protected_regular;
	int fifos_before = sysctl_protected_fifos;
	int error;

	sysctl_protected_regular = regular;
	sysctl_protected_fifos = fifos;
	error = may_create_in_sticky(idmap, &nd, inode);
	sysctl_protected_regular = regular_before;
	sysctl_protected_fifos = fifos_before;
	return error;
}

umode_t kunit_vfs_prepare_mode(struct mnt_idmap *idmap, const struct inode *dir,
			       umode_t mode, umode_t mask_perms, umode_t type)
{
	return vfs_prepare_mode(idmap, dir, mode, mask_perms, type);
}
