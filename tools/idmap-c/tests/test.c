// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Each function of libidmap.so, called from C: test DIRECTORY
 *
 * With an empty directory as its argument, and as root in a mount namespace of its own, it makes
 * mounts too.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <idmap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static int failures;

#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%d: %s: %s\n", __LINE__, #condition, \
				idmap_error_message()); \
			failures++; \
		} \
	} while (0)

static int message_has(const char *words)
{
	return !!strstr(idmap_error_message(), words);
}

static void maps(void)
{
	struct idmap_maps *first, *next, *both, *none = NULL;
	char text[64], small[4];
	uint32_t id;

	CHECK(idmap_error_message()[0] == '\0');
	CHECK(idmap_maps_parse("b:0:1000:10", &first) == 0);
	CHECK(idmap_maps_parse("b:1000:5000:5", &next) == 0);
	CHECK(idmap_maps_parse("b:0:1", &none) == -EINVAL && !none);
	CHECK(message_has("b:0:1"));
	CHECK(idmap_maps_parse("\377", &none) == -EINVAL);
	CHECK(idmap_maps_parse(NULL, &none) == -EINVAL && message_has("NULL"));
	CHECK(idmap_maps_parse("b:0:1:1", NULL) == -EINVAL);

	CHECK(idmap_maps_lookup(first, IDMAP_USER, 3, &id) == 0 && id == 1003);
	CHECK(idmap_maps_lookup(first, IDMAP_GROUP, 10, &id) == -EOVERFLOW && id == 1003);
	CHECK(idmap_maps_lookup(first, 2, 3, &id) == -EINVAL);
	CHECK(idmap_maps_lookup(first, IDMAP_USER, 3, NULL) == -EINVAL);
	CHECK(idmap_maps_lookup(NULL, IDMAP_USER, 3, &id) == -EINVAL);

	CHECK(idmap_maps_compose(first, next, &both) == 0);
	CHECK(idmap_maps_format(both, text, sizeof(text)) == 10);
	CHECK(strcmp(text, "b:0:5000:5") == 0);
	CHECK(idmap_maps_format(both, small, sizeof(small)) == 10);
	CHECK(strcmp(small, "b:0") == 0);
	CHECK(idmap_maps_format(both, NULL, 0) == 10);
	CHECK(idmap_maps_format(both, NULL, 1) == -EINVAL);
	CHECK(idmap_maps_compose(next, first, &none) == -EINVAL && !none);
	CHECK(idmap_maps_compose(first, NULL, &none) == -EINVAL);
	idmap_maps_free(both);

	CHECK(idmap_maps_invert(first, &both) == 0);
	CHECK(idmap_maps_lookup(both, IDMAP_GROUP, 1009, &id) == 0 && id == 9);
	idmap_maps_free(both);
	CHECK(idmap_maps_of_process(getpid(), &both) == 0);
	CHECK(idmap_maps_lookup(both, IDMAP_USER, 0, &id) == 0);
	idmap_maps_free(both);
	CHECK(idmap_maps_of_process(0x7fffffff, &none) == -ENOENT && !none);
	idmap_maps_free(first);
	idmap_maps_free(next);
	idmap_maps_free(NULL);
}

static unsigned int owner(const char *path)
{
	struct stat status;

	return stat(path, &status) ? 0xffffffff : status.st_uid;
}

static void mounts(const char *directory)
{
	struct idmap_maps *maps, *shown = NULL;
	int userns, mount_fd, here;
	struct stat status;

	CHECK(chdir(directory) == 0);
	CHECK(mount("none", ".", "tmpfs", 0, NULL) == 0);
	CHECK(chdir(directory) == 0);
	CHECK(mkdir("source", 0755) == 0 && mkdir("target", 0755) == 0);
	CHECK(close(open("source/file", O_CREAT | O_WRONLY, 0600)) == 0);
	CHECK(idmap_maps_parse("b:0:1000:10", &maps) == 0);

	CHECK(idmap_mount("source", "target", maps, IDMAP_READ_ONLY) == 0);
	CHECK(owner("target/file") == 1000);
	CHECK(open("target/file", O_WRONLY) < 0 && errno == EROFS);
	CHECK(idmap_maps_of_mount("target", &shown) == 0);
	idmap_maps_free(shown);
	CHECK(idmap_unmount("target", 0) == 0);
	CHECK(idmap_unmount("target", 0) == -EINVAL);
	CHECK(idmap_unmount("target", IDMAP_RECURSIVE) == -EINVAL);
	CHECK(idmap_mount("source", "missing", maps, 0) == -ENOENT && message_has("missing"));
	CHECK(idmap_mount("source", "target", maps, 1 << 20) == -EINVAL);

	userns = idmap_userns_new(maps);
	CHECK(userns >= 0);
	here = open(".", O_PATH | O_DIRECTORY);
	mount_fd = idmap_open_tree(here, "source", userns, IDMAP_NO_SUID);
	CHECK(mount_fd >= 0);
	CHECK(fstatat(mount_fd, "file", &status, 0) == 0 && status.st_uid == 1000);
	CHECK(owner("target/file") == 0xffffffff);
	CHECK(idmap_attach(mount_fd, here, "target") == 0);
	CHECK(owner("target/file") == 1000);
	CHECK(idmap_attach(-7, here, "target") == -EBADF);
	CHECK(idmap_unmount("target", IDMAP_LAZY) == 0);
	CHECK(close(mount_fd) == 0);

	/* An empty path is the descriptor's own object. */
	mount_fd = idmap_open_tree(here, "", -1, 0);
	CHECK(mount_fd >= 0 && close(mount_fd) == 0);
	CHECK(idmap_open_tree(here, "missing", userns, 0) == -ENOENT);
	CHECK(idmap_open_tree(AT_FDCWD, "source", here, 0) == -EINVAL);
	CHECK(message_has("no user namespace"));
	CHECK(close(userns) == 0 && close(here) == 0);
	userns = idmap_userns_of_process(getpid());
	CHECK(userns >= 0 && close(userns) == 0);
	CHECK(idmap_userns_of_process(0x7fffffff) == -ENOENT);
	idmap_maps_free(maps);
}

int main(int argc, char **argv)
{
	maps();
	if (argc > 1)
		mounts(argv[1]);
	return failures ? 1 : 0;
}
