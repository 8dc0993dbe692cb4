// SPDX-License-Identifier: GPL-2.0
/*
 * Functions that KUnit tests call to reach static functions of fs/posix_acl.c,
 * which includes this file.
 */
#include "rust_permission.h"

ssize_t kunit_vfs_posix_acl_to_xattr(struct mnt_idmap *idmap,
				     struct inode *inode,
				     const struct posix_acl *acl, void *buffer,
				     size_t size)
{
	return vfs_posix_acl_to_xattr(idmap, inode, acl, buffer, size);
}

int kunit_vfs_set_acl_idmapped_mnt(struct mnt_idmap *idmap,
				   struct user_namespace *fs_userns,
				   struct posix_acl *acl)
{
	return vfs_set_acl_idmapped_mnt(idmap, fs_userns, acl);
}
