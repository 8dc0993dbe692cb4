// SPDX-License-Identifier: GPL-2.0
/*
 * Functions that KUnit tests of the permission checks in Rust call.
 */
#include <linux/fdtable.h>
#include <linux/fs_struct.h>
#include <linux/rust_permission.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>
#include <linux/utsname.h>
#include <linux/xattr.h>

#include "../internal.h"
#include "rust_permission.h"

/* The task for which mnt_idmapping_in_rust() returns false. */
struct task_struct *mnt_idmapping_c_task;

bool kunit_mnt_idmapping_in_rust(void)
{
	return mnt_idmapping_in_rust();
}

static int kunit_fscaps_get(const struct xattr_handler *handler,
			    struct dentry *dentry, struct inode *inode,
			    const char *name, void *buffer, size_t size)
{
	const struct kunit_fscaps *caps = inode->i_private;

	if (!buffer || caps->size < 0)
		return caps->size;
	if (size < caps->size)
		return -ERANGE;
	memcpy(buffer, caps->value, caps->size);
	return caps->size;
}

static const struct xattr_handler kunit_fscaps_handler = {
	.name = XATTR_NAME_CAPS,
	.get = kunit_fscaps_get,
};

static const struct xattr_handler * const kunit_fscaps_handlers[] = {
	&kunit_fscaps_handler,
	NULL
};

/*
 * Sets the file capabilities of @inode, and makes @dentry an alias of @inode.
 * The superblock gets a handler for security.capability, and no other.
 */
void kunit_set_fscaps(struct inode *inode, struct dentry *dentry,
		      const struct kunit_fscaps *caps)
{
	inode->i_private = (void *)caps;
	inode->i_opflags |= IOP_XATTR;
	inode->i_sb->s_xattr = kunit_fscaps_handlers;

	spin_lock_init(&inode->i_lock);
	spin_lock_init(&dentry->d_lock);
	dentry->d_lockref.count = 1;
	INIT_HLIST_HEAD(&inode->i_dentry);
	INIT_HLIST_NODE(&dentry->d_alias);
	hlist_add_head(&dentry->d_alias, &inode->i_dentry);
}

bool kunit_i_uid_needs_update(struct mnt_idmap *idmap, const struct iattr *attr,
			      const struct inode *inode)
{
	return i_uid_needs_update(idmap, attr, inode);
}

bool kunit_i_gid_needs_update(struct mnt_idmap *idmap, const struct iattr *attr,
			      const struct inode *inode)
{
	return i_gid_needs_update(idmap, attr, inode);
}

static int kunit_setattr(struct mnt_idmap *idmap, struct dentry *dentry,
			 struct iattr *attr)
{
	return -EALREADY;
}

static const struct inode_operations kunit_inode_operations = {
	.setattr = kunit_setattr,
};

/* Returns -EALREADY if notify_change() calls ->setattr(), else its error. */
int kunit_notify_change(struct mnt_idmap *idmap, struct dentry *dentry,
			struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	int error;

	inode->i_op = &kunit_inode_operations;
	init_rwsem(&inode->i_rwsem);
	inode_lock(inode);
	error = notify_change(idmap, dentry, attr, NULL);
	inode_unlock(inode);
	inode->i_op = NULL;
	return error;
}

umode_t kunit_umask(void)
{
	return current_umask();
}

int kunit_open_namespace(int which)
{
	/* Never freed: free_user_ns() frees fields that are not set here. */
	static struct user_namespace *child;
	int error;

	/* A namespace of a type that is configured out has no operations. */
	if (!IS_ENABLED(CONFIG_USER_NS) || !IS_ENABLED(CONFIG_UTS_NS))
		return -EOPNOTSUPP;
	if (which == 0)
		return open_namespace(&get_user_ns(&init_user_ns)->ns);
	if (which == 2) {
		get_uts_ns(&init_uts_ns);
		return open_namespace(&init_uts_ns.ns);
	}

	if (!child) {
		struct user_namespace *ns = kzalloc_obj(*ns);

		if (!ns)
			return -ENOMEM;
		error = ns_common_init(ns);
		if (error) {
			kfree(ns);
			return error;
		}
		ns->parent = &init_user_ns;
		ns->level = 1;
		child = ns;
	}
	return open_namespace(&get_user_ns(child)->ns);
}

void kunit_close(int fd)
{
	close_fd(fd);
}
