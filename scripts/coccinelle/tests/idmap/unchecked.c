// SPDX-License-Identifier: GPL-2.0
/* For idmap_unchecked.cocci: a line with "finds" must be reported, others must not. */

/* f2fs: whoever may read a file pins it. */
static int ioctl_set_pin(struct file *filp)
{
	struct inode *inode = file_inode(filp);
	int ret = mnt_want_write_file(filp); /* finds */

	if (ret)
		return ret;
	inode_lock(inode);
	set_inode_flag(inode, FI_PIN_FILE);
	inode_unlock(inode);
	mnt_drop_write_file(filp);
	return 0;
}

/* f2fs: FMODE_WRITE counts writers here, and refuses nobody. */
static int ioctl_release(struct file *filp, int writecount)
{
	int ret = mnt_want_write_file(filp); /* finds */

	if (ret)
		return ret;
	inode_lock(file_inode(filp));
	if (!(filp->f_mode & FMODE_WRITE) && writecount)
		ret = -EBUSY;
	inode_unlock(file_inode(filp));
	mnt_drop_write_file(filp);
	return ret;
}

/* Right: the owner may. */
static int right_set_flags(struct file *filp)
{
	int ret;

	if (!inode_owner_or_capable(file_mnt_idmap(filp), file_inode(filp)))
		return -EPERM;
	ret = mnt_want_write_file(filp);
	if (ret)
		return ret;
	inode_lock(file_inode(filp));
	set_flags(file_inode(filp));
	inode_unlock(file_inode(filp));
	mnt_drop_write_file(filp);
	return 0;
}

/* Right: the file was opened for writing. */
static int right_open_for_writing(struct file *filp)
{
	int ret;

	if (!(filp->f_mode & FMODE_WRITE))
		return -EBADF;
	ret = mnt_want_write_file(filp);
	if (ret)
		return ret;
	inode_lock(file_inode(filp));
	compress(file_inode(filp));
	inode_unlock(file_inode(filp));
	mnt_drop_write_file(filp);
	return 0;
}

/* Right: the caller in this file checks. */
static int right_with_checking_caller(struct file *filp)
{
	int ret = mnt_want_write_file(filp);

	if (ret)
		return ret;
	inode_lock(file_inode(filp));
	resize(file_inode(filp));
	inode_unlock(file_inode(filp));
	mnt_drop_write_file(filp);
	return 0;
}

static long right_ioctl(struct file *filp)
{
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	return right_with_checking_caller(filp);
}
