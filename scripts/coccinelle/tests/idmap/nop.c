// SPDX-License-Identifier: GPL-2.0
/* For idmap_nop.cocci: a line with "finds" must be reported, others must not. */

/* btrfs: the permission to defragment. */
static int ioctl_defrag(struct file *file, void __user *argp)
{
	struct inode *inode = file_inode(file);

	if (inode_permission(&nop_mnt_idmap, inode, MAY_WRITE)) /* finds */
		return -EPERM;
	return 0;
}

/* fscrypt: the owner who sets an encryption policy. */
int ioctl_set_policy(struct file *filp, const void __user *arg)
{
	struct inode *inode = file_inode(filp);

	if (!inode_owner_or_capable(&nop_mnt_idmap, inode)) /* finds */
		return -EACCES;
	return 0;
}

/* f2fs: system.advise. */
static int xattr_advise_set(const struct xattr_handler *handler,
			    struct mnt_idmap *idmap, struct dentry *unused,
			    struct inode *inode, const char *name,
			    const void *value, size_t size, int flags)
{
	if (!inode_owner_or_capable(&nop_mnt_idmap, inode)) /* finds */
		return -EPERM;
	return 0;
}

/* mm: the owner who may know which pages of a file are cached. */
static bool can_do_cachestat(struct file *f)
{
	if (inode_owner_or_capable(&nop_mnt_idmap, file_inode(f))) /* finds */
		return true;
	return file_permission(f, MAY_WRITE) == 0;
}

static ssize_t write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);

	return setattr_should_drop_suidgid(&nop_mnt_idmap, inode); /* finds */
}

static bool reachable(const struct path *path)
{
	return !inode_permission(&nop_mnt_idmap, d_inode(path->dentry), /* finds */
				 MAY_READ);
}

/* A helper between ->create() and inode_init_owner(). */
static struct inode *toy_new_inode(struct inode *dir, umode_t mode)
{
	struct inode *inode = new_inode(dir->i_sb);

	inode_init_owner(&nop_mnt_idmap, inode, dir, mode); /* finds */
	return inode;
}

/* Right: the idmap of the mount. */
static int right_setattr(struct mnt_idmap *idmap, struct dentry *dentry,
			 struct iattr *attr)
{
	int error = setattr_prepare(idmap, dentry, attr);

	if (error)
		return error;
	setattr_copy(idmap, d_inode(dentry), attr);
	return 0;
}

/* Right: compares the idmap, and passes none on. */
static int right_only_without_idmap(struct mnt_idmap *idmap)
{
	return idmap == &nop_mnt_idmap ? 0 : -EINVAL;
}

/* Right: a root has no directory, and no mount yet. */
static struct inode *right_root(struct super_block *sb)
{
	struct inode *inode = new_inode(sb);

	inode_init_owner(&nop_mnt_idmap, inode, NULL, S_IFDIR | 0755);
	return inode;
}

/* Right: the recovery of a journal has no mount. */
static int right_recovery(struct inode *inode, struct iattr *attr)
{
	return dquot_transfer(&nop_mnt_idmap, inode, attr);
}
