// SPDX-License-Identifier: GPL-2.0
/*
 * Functions that KUnit tests call to reach static functions of fs/namespace.c,
 * which includes this file.
 */
#include "rust_permission.h"

int kunit_build_mount_idmapped(bool set, bool clear, bool replace,
			       u64 userns_fd, bool *to_nop, bool *to_namespace)
{
	const struct mount_attr attr = {
		.attr_set = set ? MOUNT_ATTR_IDMAP : 0,
		.attr_clr = clear ? MOUNT_ATTR_IDMAP : 0,
		.userns_fd = userns_fd,
	};
	struct mount_kattr kattr = {
		.kflags = replace ? MOUNT_KATTR_IDMAP_REPLACE : 0,
	};
	int error;

	error = build_mount_idmapped(&attr, sizeof(attr), &kattr);
	*to_nop = kattr.mnt_idmap == &nop_mnt_idmap;
	*to_namespace = kattr.mnt_userns;
	put_user_ns(kattr.mnt_userns);
	return error;
}

int kunit_can_idmap_mount(struct super_block *sb, struct mnt_idmap *idmap,
			  struct mnt_idmap *new_idmap,
			  struct user_namespace *mnt_userns, bool replace,
			  bool anonymous)
{
	const struct mount_kattr kattr = {
		.kflags = replace ? MOUNT_KATTR_IDMAP_REPLACE : 0,
		.mnt_userns = mnt_userns,
		.mnt_idmap = new_idmap,
	};
	struct mnt_namespace *ns = alloc_mnt_ns(&init_user_ns, anonymous);
	struct mount mnt = { .mnt.mnt_sb = sb, .mnt.mnt_idmap = idmap };
	int error;

	if (IS_ERR(ns))
		return PTR_ERR(ns);
	mnt.mnt_ns = ns;
	error = can_idmap_mount(&kattr, &mnt);
	free_mnt_ns(ns);
	return error;
}
