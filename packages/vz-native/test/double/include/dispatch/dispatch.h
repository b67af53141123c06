/* The part of libdispatch that the core and the double use: serial queues, each with a thread of its own. */
#ifndef VZ_DOUBLE_DISPATCH_H
#define VZ_DOUBLE_DISPATCH_H

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dispatch_queue_s *dispatch_queue_t;
typedef struct dispatch_queue_attr_s *dispatch_queue_attr_t;
typedef void (*dispatch_function_t)(void *);
typedef void (^dispatch_block_t)(void);

#define DISPATCH_QUEUE_SERIAL ((dispatch_queue_attr_t)0)

dispatch_queue_t dispatch_queue_create(const char *label, dispatch_queue_attr_t attributes);
void dispatch_retain(dispatch_queue_t queue);
void dispatch_release(dispatch_queue_t queue);
void dispatch_async(dispatch_queue_t queue, dispatch_block_t block);
void dispatch_async_f(dispatch_queue_t queue, void *context, dispatch_function_t work);
/* Aborts unless the caller runs on the queue. */
void dispatch_assert_queue(dispatch_queue_t queue);

#ifdef __cplusplus
}
#endif
#endif
