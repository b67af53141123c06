#include "launch.h"

#include "capabilities.h"
#include "container.h"
#include "descriptors.h"
#include "files.h"
#include "program.h"
#include "rlimits.h"
#include "seccomp.h"
#include "start_report.h"
#include "terminal.h"
#include "text.h"
#include "users.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ENV_TEXT = 4096 + 8 };

static noreturn void fail(const struct fault *failure) { start_fail(REPORT_FD, failure); }

static noreturn void fail_with_errno(const char *what) {
  fail(fault_errno("%s", what));
}

static void open_terminal(const struct spec *spec, bool is_console) {
  struct terminal terminal;
  const struct fault *failed = terminal_open(&spec->tty, &terminal);
  if (failed != NULL) fail(failed);
  start_tell_terminal(REPORT_FD, terminal.master);
  close(terminal.master);
  failed = is_console ? container_console(terminal.name) : NULL;
  if (failed != NULL) fail(failed);
  if (!terminal_take(&terminal)) fail_with_errno("cannot take the terminal");
}

static void give_stdio_to(const struct identity *identity) {
  for (int fd = 0; fd < 3; fd++) {
    struct stat found;
    // A program that opens /dev/stdout anew needs to own what is behind it; /dev/null is everybody's.
    if (fstat(fd, &found) != 0 || (S_ISCHR(found.st_mode) && !isatty(fd))) continue;
    // A terminal keeps its group, which may write to it (wall, mesg).
    if (fchown(fd, identity->uid, S_ISCHR(found.st_mode) ? (gid_t)-1 : identity->gid) != 0) {
      fail_with_errno("cannot give stdio away");
    }
  }
}

static void enter_folder(const struct spec *spec, const struct identity *identity) {
  if (make_folders(spec->cwd, 0755, identity->uid, identity->gid) && chdir(spec->cwd) == 0) return;
  fail(fault_errno("working directory \"%s\"", spec->cwd));
}

static void add_env(struct spec *spec, const char *name, const char *value, char text[ENV_TEXT]) {
  if (value[0] == '\0' || spec_has_env(spec, name)) return;
  text_format(text, ENV_TEXT, "%s=%s", name, value);
  spec->env[spec->env_count++] = text;
  spec->env[spec->env_count] = NULL;
}

static void complete_env(struct spec *spec, const struct identity *identity) {
  static char home[ENV_TEXT], user[ENV_TEXT], login[ENV_TEXT], path[ENV_TEXT];
  add_env(spec, "PATH", spec_path(spec), path);
  add_env(spec, "HOME", identity->home, home);
  if (!spec->login_names) return;
  add_env(spec, "USER", identity->name, user);
  add_env(spec, "LOGNAME", identity->name, login);
}

// Memory and descriptors of this process, a copy of the agent, stay nobody's to read in the container until exec.
static void give_up_privileges(const struct spec *spec, const struct identity *identity) {
  if (!seccomp_install() || !capabilities_bound(spec->capabilities)) fail_with_errno("cannot reduce privileges");
  if (!users_become(identity)) {
    fail(fault(FAILURE_KIND_INTERNAL, "cannot become user %u, group %u: %m", identity->uid, identity->gid));
  }
  if (!capabilities_apply(spec->capabilities) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
      (spec->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)) {
    fail_with_errno("cannot reduce privileges");
  }
}

void launch_program(const struct spec *given, bool is_console) {
  struct spec spec = *given;
  struct identity identity;
  setsid();
  umask(022);
  if (spec.has_tty) open_terminal(&spec, is_console);
  const struct fault *failed = users_resolve(&spec, &identity);
  if (failed != NULL) fail(failed);
  give_stdio_to(&identity);
  enter_folder(&spec, &identity);
  complete_env(&spec, &identity);
  failed = rlimits_apply(&spec);
  if (failed != NULL) fail(failed);
  give_up_privileges(&spec, &identity);
  start_tell(REPORT_FD, START_EXECUTES);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  fail(program_exec(&spec));
}

void launch_main(const struct launch *launch) {
  const int wanted[] = {launch->stdio[0], launch->stdio[1], launch->stdio[2], launch->report, launch->init};
  if (!descriptors_arrange(wanted, sizeof wanted / sizeof wanted[0])) _exit(1);
  // While the agent's /proc can be reached.
  if (!file_write("/proc/self/oom_score_adj", "0")) fail_with_errno("cannot reset the agent's privileges over memory");
  if (setns(INIT_FD, CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP) != 0) {
    fail_with_errno("cannot enter the container");
  }
  close(INIT_FD);
  launch_program(launch->spec, launch->is_console);
}
