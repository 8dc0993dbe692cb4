// SPDX-License-Identifier: GPL-2.0

#include <linux/posix_acl.h>

__rust_helper void rust_helper_posix_acl_release(struct posix_acl *acl)
{
	posix_acl_release(acl);
}
