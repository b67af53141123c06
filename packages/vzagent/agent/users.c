#include "users.h"

#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LONGEST_LINE = 64 * 1024, LARGEST_FILE = 16 * 1024 * 1024, MOST_GROUPS = 65536 };

// A file of lines with colons in them.
struct table {
  int fd;  // -1 when there is no such file, which is no fault: there are numbers as well
  size_t read;
  size_t start;
  size_t end;
  char text[LONGEST_LINE];
};

static void table_open(struct table *table, const char *path) {
  struct stat found;
  // The text is left as it is: its pages would be touched, all of them, at every launch.
  table->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  table->read = table->start = table->end = 0;
  if (table->fd < 0 || (fstat(table->fd, &found) == 0 && S_ISREG(found.st_mode))) return;
  close(table->fd);
  table->fd = -1;
}

static void table_close(struct table *table) {
  if (table->fd >= 0) close(table->fd);
}

static bool table_fill(struct table *table) {
  if (table->fd < 0 || table->read >= LARGEST_FILE) return false;
  memmove(table->text, table->text + table->start, table->end - table->start);
  table->end -= table->start;
  table->start = 0;
  // A line longer than the room for it is none that a system tool would take; it is passed over in pieces.
  if (table->end == sizeof table->text - 1) table->end = 0;
  ssize_t got = read(table->fd, table->text + table->end, sizeof table->text - 1 - table->end);
  if (got <= 0) return false;
  table->read += (size_t)got;
  table->end += (size_t)got;
  return true;
}

// The next line, cut into its first `count` fields; missing ones are empty. Null at the end.
static bool table_next(struct table *table, char *fields[], size_t count) {
  char *newline;
  while ((newline = memchr(table->text + table->start, '\n', table->end - table->start)) == NULL) {
    if (table_fill(table)) continue;
    if (table->start == table->end) return false;
    newline = table->text + table->end;  // the last line has no end of its own
    break;
  }
  *newline = '\0';
  char *line = table->text + table->start;
  table->start = (size_t)(newline - table->text) + 1;
  if (table->start > table->end) table->start = table->end;
  for (size_t i = 0; i < count; i++) {
    fields[i] = line == NULL ? newline : strsep(&line, ":");
  }
  return true;
}

static bool number(const char *text, uint32_t *value) {
  if (*text == '\0' || strlen(text) > 10) return false;
  uint64_t sum = 0;
  for (; *text != '\0'; text++) {
    if (*text < '0' || *text > '9') return false;
    sum = sum * 10 + (uint64_t)(*text - '0');
  }
  // The highest value means "leave it as it is" to the kernel.
  if (sum >= UINT32_MAX) return false;
  *value = (uint32_t)sum;
  return true;
}

static struct table table;  // one file is read at a time, and it is too large for a stack

enum { USER_NAME, USER_UID = 2, USER_GID, USER_HOME = 5, USER_FIELDS };
enum { GROUP_NAME, GROUP_GID = 2, GROUP_MEMBERS, GROUP_FIELDS };

static void take_entry(char *fields[], uint32_t uid, uint32_t gid, struct identity *identity) {
  identity->uid = uid;
  identity->gid = gid;
  if (strlen(fields[USER_NAME]) < sizeof identity->name) strcpy(identity->name, fields[USER_NAME]);
  if (fields[USER_HOME][0] == '/' && strlen(fields[USER_HOME]) < sizeof identity->home) {
    strcpy(identity->home, fields[USER_HOME]);
  }
}

// By its number, or by its name when `wanted` is none.
static bool find_user(const char *wanted, struct identity *identity) {
  char *fields[USER_FIELDS];
  uint32_t wanted_uid, uid, gid;
  bool by_number = number(wanted, &wanted_uid), found = false;
  table_open(&table, "/etc/passwd");
  while (!found && table_next(&table, fields, USER_FIELDS)) {
    if (!number(fields[USER_UID], &uid) || !number(fields[USER_GID], &gid)) continue;
    found = by_number ? uid == wanted_uid : strcmp(fields[USER_NAME], wanted) == 0;
    if (found) take_entry(fields, uid, gid, identity);
  }
  table_close(&table);
  return found;
}

static bool find_group(const char *wanted, gid_t *gid) {
  char *fields[GROUP_FIELDS];
  uint32_t found;
  if (number(wanted, &found)) {
    *gid = found;
    return true;
  }
  bool is_found = false;
  table_open(&table, "/etc/group");
  while (!is_found && table_next(&table, fields, GROUP_FIELDS)) {
    is_found = strcmp(fields[GROUP_NAME], wanted) == 0 && number(fields[GROUP_GID], &found);
    if (is_found) *gid = found;
  }
  table_close(&table);
  return is_found;
}

static void add_group(struct identity *identity, gid_t gid) {
  for (size_t i = 0; i < identity->group_count; i++) {
    if (identity->groups[i] == gid) return;
  }
  if (identity->group_count < MOST_GROUPS) identity->groups[identity->group_count++] = gid;
}

static bool is_member(char *members, const char *name) {
  for (char *member; (member = strsep(&members, ",")) != NULL;) {
    if (strcmp(member, name) == 0) return true;
  }
  return false;
}

static void add_groups_of(struct identity *identity) {
  char *fields[GROUP_FIELDS];
  uint32_t gid;
  table_open(&table, "/etc/group");
  while (table_next(&table, fields, GROUP_FIELDS)) {
    if (number(fields[GROUP_GID], &gid) && is_member(fields[GROUP_MEMBERS], identity->name)) add_group(identity, gid);
  }
  table_close(&table);
}

static const struct fault *resolve_user(const char *user, bool own_group, struct identity *identity) {
  if (user[0] == '\0') user = "0";
  if (find_user(user, identity)) return NULL;
  uint32_t uid;
  if (!number(user, &uid)) {
    return fault(FAILURE_KIND_UNKNOWN_USER, "user \"%s\": not in the container's /etc/passwd", user);
  }
  identity->uid = uid;
  identity->gid = own_group ? uid : 0;
  return NULL;
}

const struct fault *users_resolve(const struct spec *spec, struct identity *identity) {
  *identity = (struct identity){.home = "/"};
  identity->groups = malloc(MOST_GROUPS * sizeof(gid_t));
  if (identity->groups == NULL) return fault(FAILURE_KIND_EXHAUSTED, "out of memory");
  char *group = spec->user;
  char *user = strsep(&group, ":");
  const struct fault *failed = resolve_user(user, spec->login_names, identity);
  if (failed != NULL) return failed;
  if (group != NULL && group[0] != '\0') {
    // As in Docker, who names a group gets that one and not the user's others.
    if (!find_group(group, &identity->gid)) {
      return fault(FAILURE_KIND_UNKNOWN_USER, "group \"%s\": not in the container's /etc/group", group);
    }
  } else if (identity->name[0] != '\0') {
    add_groups_of(identity);
  }
  for (char **wanted = spec->groups; *wanted != NULL; wanted++) {
    gid_t gid;
    if (!find_group(*wanted, &gid)) {
      return fault(FAILURE_KIND_UNKNOWN_USER, "group \"%s\": not in the container's /etc/group", *wanted);
    }
    add_group(identity, gid);
  }
  return NULL;
}

bool users_become(const struct identity *identity) {
  // The bare calls: the library's would tell other threads, of which there are none.
  return syscall(SYS_setgroups, identity->group_count, identity->groups) == 0 &&
         syscall(SYS_setresgid, identity->gid, identity->gid, identity->gid) == 0 &&
         syscall(SYS_setresuid, identity->uid, identity->uid, identity->uid) == 0;
}
