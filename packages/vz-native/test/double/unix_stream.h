/* Blocking Unix sockets, for the double's own helper threads. */
#pragma once
#include <string>

/* A connected descriptor, closed on exec, or -1. */
int connectUnix(const std::string &path);
bool writeAll(int descriptor, const std::string &bytes);
/* One line without its end; false at the end of the stream, or beyond 1 MiB. Reads no byte more than the line. */
bool readLine(int descriptor, std::string &line);
