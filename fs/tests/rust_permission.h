/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Functions that KUnit tests of the permission checks in Rust call.
 *
 * Some call static functions of the VFS, others set up objects that the static
 * functions read.
 */
#ifndef _FS_TESTS_RUST_PERMISSION_H
#define _FS_TESTS_RUST_PERMISSION_H

#include <linux/fs.h>
#include <linux/mnt_idmapping.h>

/*
 * The extended attribute security.capability of an inode. If @size is negative,
 * reading the attribute fails with this error.
 */
struct kunit_fscaps {
	const void *value;
	int size;
};

void kunit_set_fscaps(struct inode *inode, struct dentry *dentry,
		      const struct kunit_fscaps *caps);

bool kunit_mnt_idmapping_in_rust(void);
bool kunit_i_uid_needs_update(struct mnt_idmap *idmap, const struct iattr *attr,
			      const struct inode *inode);
bool kunit_i_gid_needs_update(struct mnt_idmap *idmap, const struct iattr *attr,
			      const struct inode *inode);
int kunit_notify_change(struct mnt_idmap *idmap, struct dentry *dentry,
			struct iattr *attr);
umode_t kunit_umask(void);

/* Opens init_user_ns (0), a child of it (1), or init_uts_ns (2). */
int kunit_open_namespace(int which);
void kunit_close(int fd);

/* fs/namei.c */
int kunit_may_follow_link(struct mnt_idmap *idmap, struct dentry *link,
			  umode_t dir_mode, vfsuid_t dir_vfsuid, bool protected,
			  bool rcu);
int kunit_may_linkat(struct mnt_idmap *idmap, struct dentry *dentry,
		     bool protected);
int kunit_may_create_in_sticky(struct mnt_idmap *idmap, struct inode *inode,
			       umode_t dir_mode, vfsuid_t dir_vfsuid,
			       int regular, int fifos);
umode_t kunit_vfs_prepare_mode(struct mnt_idmap *idmap, const struct inode *dir,
			       umode_t mode, umode_t mask_perms, umode_t type);

/* fs/namespace.c */
int kunit_build_mount_idmapped(bool set, bool clear, bool replace,
			       u64 userns_fd, bool *to_nop, bool *to_namespace);
int kunit_can_idmap_mount(struct super_block *sb, struct mnt_idmap *idmap,
			  struct mnt_idmap *new_idmap,
			  struct user_namespace *mnt_userns, bool replace,
			  bool anonymous);

/* fs/posix_acl.c */
ssize_t kunit_vfs_posix_acl_to_xattr(struct mnt_idmap *idmap,
				     struct inode *inode,
				     const struct posix_acl *acl, void *buffer,
				     size_t size);
int kunit_vfs_set_acl_idmapped_mnt(struct mnt_idmap *idmap,
				   struct user_namespace *fs_userns,
				   struct posix_acl *acl);

#endif /* _FS_TESTS_RUST_PERMISSION_H */
