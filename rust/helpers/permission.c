// SPDX-License-Identifier: GPL-2.0

#include <linux/fs.h>
#include <linux/posix_acl.h>
#include <linux/security.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/user_namespace.h>

__rust_helper void rust_helper_posix_acl_release(struct posix_acl *acl)
{
	posix_acl_release(acl);
}

__rust_helper void *rust_helper_kmemdup(const void *src, size_t len, gfp_t gfp)
{
	return kmemdup(src, len, gfp);
}

__rust_helper bool rust_helper_fsuidgid_has_mapping(struct super_block *sb,
						    struct mnt_idmap *idmap)
{
	return fsuidgid_has_mapping(sb, idmap);
}

__rust_helper struct user_namespace *
rust_helper_get_user_ns(struct user_namespace *ns)
{
	return get_user_ns(ns);
}

#ifndef CONFIG_SECURITY
__rust_helper int rust_helper_security_inode_killpriv(struct mnt_idmap *idmap,
						      struct dentry *dentry)
{
	return security_inode_killpriv(idmap, dentry);
}
#endif

__rust_helper u64 rust_helper_user_namespace_id(const struct user_namespace *ns)
{
	return ns->ns.ns_id;
}

__rust_helper unsigned long rust_helper_spin_lock_irqsave(spinlock_t *lock)
{
	unsigned long flags;

	spin_lock_irqsave(lock, flags);
	return flags;
}

__rust_helper void rust_helper_spin_unlock_irqrestore(spinlock_t *lock,
						      unsigned long flags)
{
	spin_unlock_irqrestore(lock, flags);
}
