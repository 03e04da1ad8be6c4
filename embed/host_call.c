/* SPDX-License-Identifier: Apache-2.0 */
/* host_call.c: c4p/python.h: chares of Python called from C, and answered. */
#include "args.h"
#include "codec.h"
#include "future.h"
#include "host.h"
#include "native.h"
#include "typed.h"

/* ---- calling ------------------------------------------------------------------------------------- */

/* A message for one element: of this rank, with the very objects of the list. */
static int
message_for_element(c4pe_state_t *st, c4p_ref_t to, const c4pe_entry_t *entry, PyObject *list,
                    c4p_msg_t **msg_out)
{
    PyObject *const *items = PySequence_Fast_ITEMS(list);
    const Py_ssize_t num = PyList_GET_SIZE(list);
    if (c4p_local(st->rt, to) == NULL)
        return c4pe_codec_pack_args(st, items, num, entry, 0, msg_out);
    const bool saved = st->by_reference;
    st->by_reference = true; /* nobody else has them, and views are meant to be views */
    const int result = c4pe_codec_capture_args(st, items, num, entry, 0, msg_out);
    st->by_reference = saved;
    return result;
}

static int
message_for_all(c4pe_state_t *st, const c4pe_proxy_t *to, const c4pe_entry_t *entry, PyObject *list,
                c4p_msg_t **msg_out)
{
    const uint32_t saved = st->copies;
    st->copies = to->pclass->kind == C4PE_KIND_GROUP ? (uint32_t)st->num_ranks : 0;
    const int result = c4pe_codec_pack_args(st, PySequence_Fast_ITEMS(list), PyList_GET_SIZE(list),
                                            entry, 0, msg_out);
    st->copies = saved;
    if (result == 0)
        c4p_msg_set_tag(*msg_out, C4PE_TAG_SHARED | c4pe_section_tag(to));
    return result;
}

/* For an entry method in C its arguments are as its signature says. */
static int
make_message(c4pe_state_t *st, const c4pe_proxy_t *to, const c4pe_entry_t *entry, PyObject *list,
             c4p_msg_t **msg_out)
{
    const bool element = to->flags & C4PE_PROXY_ELEMENT;
    if (entry->native == NULL)
        return element ? message_for_element(st, to->ref, entry, list, msg_out)
                       : message_for_all(st, to, entry, list, msg_out);
    if (c4pe_native_message(to, entry, PySequence_Fast_ITEMS(list), PyList_GET_SIZE(list),
                            msg_out) < 0)
        return -1;
    if (!element)
        c4p_msg_set_tag(*msg_out, C4PE_TAG_SHARED | c4pe_section_tag(to));
    return 0;
}

/* C4P_ERR_USER: the exception is set. */
static c4p_status_t
send_list(c4pe_state_t *st, const c4pe_proxy_t *to, const c4pe_entry_t *entry, PyObject *list,
          c4p_future_t reply)
{
    c4p_msg_t *msg;
    c4p_status_t status;
    if (make_message(st, to, entry, list, &msg) < 0)
        return C4P_ERR_USER;
    if (to->flags & C4PE_PROXY_ELEMENT)
        status = reply != 0 ? c4p_call(st->rt, to->ref, entry->id, msg, reply)
                            : c4p_send(st->rt, to->ref, entry->id, msg);
    else
        status = c4p_bcast(st->rt, to->ref.coll, entry->id, msg,
                           reply != 0 ? C4P_BCAST_DONE : C4P_BCAST_NO_REPLY, reply);
    if (status != C4P_OK) {
        c4pe_host_disarm(list);
        c4p_msg_free(msg);
    }
    return status;
}

/* The entry method of that name; NULL: there is none. */
static c4pe_entry_t *
find_entry(c4pe_class_t *cls, const char *method)
{
    PyObject *name = PyUnicode_FromString(method);
    c4pe_entry_t *entry = name ? c4pe_class_entry(cls, name) : NULL;
    Py_XDECREF(name);
    PyErr_Clear();
    return entry;
}

c4p_status_t
c4p_python_call(c4p_python_t *py, const c4p_proxy_t *to, const char *method,
                const c4p_pyval_t *args, size_t num_args, c4p_future_t reply)
{
    c4p_status_t status = c4pe_host_check(py);
    if (status != C4P_OK || to == NULL || method == NULL || (args == NULL && num_args > 0))
        return status != C4P_OK ? status : C4P_ERR_ARG;
    c4pe_class_t *cls = c4pe_class_by_id(py->st, to->type);
    if (cls == NULL)
        return C4P_ERR_TYPE;
    const c4pe_entry_t *entry = find_entry(cls, method);
    if (entry == NULL)
        return C4P_ERR_NOT_FOUND;
    const c4p_pyval_t target = c4p_py_proxy(*to);
    PyObject *proxy = c4pe_host_object(py, &target);
    PyObject *list = proxy ? c4pe_host_args(py, args, num_args) : NULL;
    status = list ? send_list(py->st, (c4pe_proxy_t *)proxy, entry, list, reply) : C4P_ERR_USER;
    if (status == C4P_ERR_USER)
        status = c4pe_host_failed(py);
    if (status != C4P_OK && list != NULL)
        c4pe_host_disarm(list);
    Py_XDECREF(list);
    Py_XDECREF(proxy);
    return status;
}

c4p_status_t
c4p_python_target(c4p_python_t *py, const c4p_proxy_t *to, const char *method,
                  c4p_target_t *target_out)
{
    if (py == NULL || to == NULL || method == NULL || target_out == NULL)
        return C4P_ERR_ARG;
    const c4p_status_t status = c4pe_host_check(py);
    c4pe_class_t *cls = status == C4P_OK ? c4pe_class_by_id(py->st, to->type) : NULL;
    if (cls == NULL)
        return status != C4P_OK ? status : C4P_ERR_TYPE;
    c4pe_entry_t *entry = find_entry(cls, method);
    if (entry == NULL || entry->native != NULL)
        return entry ? C4P_ERR_TYPE : C4P_ERR_NOT_FOUND;
    const c4p_pyval_t value = c4p_py_proxy(*to);
    PyObject *proxy = c4pe_host_object(py, &value);
    PyObject *bound = proxy ? c4pe_bound_new((c4pe_proxy_t *)proxy, entry) : NULL;
    const int result = bound ? c4pe_callback_target(py->st, bound, target_out) : -1;
    if (result == 0 && target_out->kind == C4P_TARGET_BROADCAST)
        target_out->flags |= (uint16_t)c4pe_section_tag((c4pe_proxy_t *)proxy);
    Py_XDECREF(bound);
    Py_XDECREF(proxy);
    return result == 0 ? C4P_OK : c4pe_host_failed(py);
}

/* ---- answers ------------------------------------------------------------------------------------- */

c4p_status_t
c4p_python_value(c4p_python_t *py, c4p_msg_t *msg, bool is_error, c4p_pyval_t *value_out)
{
    if (py == NULL || value_out == NULL)
        return C4P_ERR_ARG;
    PyObject *object = c4pe_value_decode(py->st, msg, is_error, C4PE_VALUE);
    if (!is_error || object == NULL)
        return c4pe_host_value(py, object, value_out);
    PyErr_SetObject((PyObject *)Py_TYPE(object), object);
    Py_DECREF(object);
    c4pe_host_failed(py);
    const uint32_t cause = msg ? c4p_msg_tag(msg) : 0; /* of the runtime's, such as a deleted target
                                                        */
    return cause >= (uint32_t)C4P_ERR_ARG ? (c4p_status_t)cause : C4P_ERR_USER;
}

/* One answer that is waited for. */
typedef struct answer {
    c4p_future_t future;
    c4p_msg_t *msg;
    bool there, is_error;
} answer_t;

static void
on_answer(c4p_rt_t *Py_UNUSED(rt), c4p_future_t Py_UNUSED(future), c4p_msg_t *msg, bool is_error,
          bool Py_UNUSED(last), void *ctx)
{
    answer_t *answer = ctx;
    if (msg != NULL)
        c4p_msg_keep(msg);
    answer->msg = msg;
    answer->is_error = is_error;
    answer->there = true;
}

static c4p_status_t
begin_ask(c4p_python_t *py, const c4p_proxy_t *to, const char *method, const c4p_pyval_t *args,
          size_t num_args, answer_t *answer)
{
    c4p_status_t status = c4pe_host_check(py);
    if (status == C4P_OK)
        status = c4p_step(py->rt, 0, NULL); /* is this a place for waiting? */
    if (status == C4P_OK)
        status = c4p_future_new(py->rt, 1, on_answer, answer, &answer->future);
    if (status != C4P_OK)
        return status;
    status = c4p_python_call(py, to, method, args, num_args, answer->future);
    if (status != C4P_OK)
        c4p_future_discard(py->rt, answer->future);
    return status;
}

/* `missing`: what it means that the answer is not there. */
static c4p_status_t
end_ask(c4p_python_t *py, answer_t *answer, c4p_status_t missing, c4p_pyval_t *value_out)
{
    c4p_pyval_t value = c4p_py_none();
    if (!answer->there) {
        c4p_future_free(py->rt, answer->future);
        return missing;
    }
    const c4p_status_t status = c4p_python_value(py, answer->msg, answer->is_error, &value);
    c4p_msg_free(answer->msg);
    if (status == C4P_OK && value_out != NULL)
        *value_out = value;
    else
        c4p_python_release(py, &value);
    return status;
}

c4p_status_t
c4p_python_ask(c4p_python_t *py, const c4p_proxy_t *to, const char *method, const c4p_pyval_t *args,
               size_t num_args, c4p_pyval_t *value_out)
{
    answer_t answer = {0};
    bool exited = false;
    c4p_status_t status = begin_ask(py, to, method, args, num_args, &answer);
    if (status != C4P_OK)
        return status;
    while (status == C4P_OK && !answer.there && !exited)
        status = c4p_run_for(py->rt, 1, 0, &exited);
    return end_ask(py, &answer, status != C4P_OK ? status : C4P_ERR_STATE, value_out);
}

c4p_status_t
c4p_python_ask_all(c4p_python_t *py, const c4p_proxy_t *to, const char *method,
                   const c4p_pyval_t *args, size_t num_args, c4p_pyval_t *value_out)
{
    answer_t answer = {0};
    bool exited = false;
    c4p_status_t status = py == NULL ? C4P_ERR_ARG : C4P_OK;
    if (status == C4P_OK && to != NULL)
        status = begin_ask(py, to, method, args, num_args, &answer);
    const bool asked = status == C4P_OK && to != NULL;
    const c4p_status_t ran = py ? c4p_run_until_quiescent(py->rt, &exited) : C4P_OK;
    if (asked)
        return end_ask(py, &answer,
                       ran != C4P_OK                   ? ran
                       : exited || c4p_exiting(py->rt) ? C4P_ERR_STATE
                                                       : C4P_ERR_STALL,
                       value_out);
    if (status == C4P_OK)
        status = ran != C4P_OK ? ran : exited ? C4P_ERR_STATE : C4P_OK;
    return status;
}

/* ---- answering Python ---------------------------------------------------------------------------- */

/* A value as a message: NULL for None. *list_out is for dispose(), in any case. */
static c4p_status_t
pack_value(c4p_python_t *py, const c4p_pyval_t *value, c4p_msg_t **msg_out, PyObject **list_out)
{
    *msg_out = NULL;
    *list_out = NULL;
    if (value->kind == C4P_PY_NONE)
        return C4P_OK;
    *list_out = c4pe_host_args(py, value, 1);
    if (*list_out == NULL ||
        c4pe_codec_pack_value(py->st, PyList_GET_ITEM(*list_out, 0), 0, msg_out) < 0)
        return c4pe_host_failed(py);
    return C4P_OK;
}

/* After what was done with it; a host whose value was refused is not told of its end. */
static c4p_status_t
dispose(PyObject *list, c4p_status_t status)
{
    if (list != NULL && status != C4P_OK)
        c4pe_host_disarm(list);
    Py_XDECREF(list);
    return status;
}

/* An error as a message, of the form of the runtime's own. */
static c4p_status_t
pack_error(c4p_python_t *py, c4p_status_t error, const char *text, c4p_msg_t **msg_out)
{
    const size_t len = strlen(text);
    c4p_status_t status = c4p_msg_new(py->rt, len, msg_out);
    if (status != C4P_OK)
        return status;
    memcpy(c4p_msg_data(*msg_out), text, len);
    c4p_msg_set_tag(*msg_out, (uint32_t)error);
    return C4P_OK;
}

c4p_status_t
c4p_python_send(c4p_python_t *py, c4p_future_t future, const c4p_pyval_t *value)
{
    c4p_msg_t *msg;
    PyObject *list;
    c4p_status_t status = value == NULL ? C4P_ERR_ARG : c4pe_host_check(py);
    if (status != C4P_OK)
        return status;
    status = pack_value(py, value, &msg, &list);
    if (status == C4P_OK)
        status = c4p_future_send(py->rt, future, msg, false);
    status = dispose(list, status);
    if (status != C4P_OK)
        c4p_msg_free(msg);
    return status;
}

c4p_status_t
c4p_python_send_error(c4p_python_t *py, c4p_future_t future, c4p_status_t error, const char *text)
{
    c4p_msg_t *msg;
    c4p_status_t status = error == C4P_OK || text == NULL ? C4P_ERR_ARG : c4pe_host_check(py);
    if (status == C4P_OK)
        status = pack_error(py, error, text, &msg);
    if (status != C4P_OK)
        return status;
    status = c4p_future_send(py->rt, future, msg, true);
    if (status != C4P_OK)
        c4p_msg_free(msg);
    return status;
}

c4p_status_t
c4p_python_reply(c4p_python_t *py, const c4p_reply_t *reply, const c4p_pyval_t *value)
{
    c4p_msg_t *msg;
    PyObject *list;
    c4p_status_t status = reply == NULL || reply->kind > C4P_REPLY_BCAST || value == NULL
                              ? C4P_ERR_ARG
                              : c4pe_host_check(py);
    if (status != C4P_OK)
        return status;
    status = pack_value(py, value, &msg, &list);
    if (status == C4P_OK)
        status = c4p_reply_send(py->rt, reply, msg, false);
    return dispose(list, status);
}

c4p_status_t
c4p_python_reply_error(c4p_python_t *py, const c4p_reply_t *reply, c4p_status_t error,
                       const char *text)
{
    c4p_msg_t *msg;
    c4p_status_t status =
        reply == NULL || text == NULL || error == C4P_OK ? C4P_ERR_ARG : c4pe_host_check(py);
    if (status == C4P_OK)
        status = pack_error(py, error, text, &msg);
    return status == C4P_OK ? c4p_reply_send(py->rt, reply, msg, true) : status;
}

/* ---- chares in C --------------------------------------------------------------------------------- */

/* What is no signature is refused where it is registered. */
static bool
python_can_pass(const char *signature)
{
    c4p_param_t params[C4P_MAX_PARAMS];
    uint32_t num;
    const char *why;
    size_t at;
    return c4p_signature_read(signature, params, &num, &why, &at) != C4P_OK ||
           c4pe_args_possible(params, num);
}

c4p_status_t
c4p_python_entry_add(c4p_python_t *py, c4p_type_t type, const char *name, const char *signature,
                     c4p_any_fn_t fn, c4p_typed_t *typed_out)
{
    if (py == NULL || name == NULL || signature == NULL || fn == NULL || typed_out == NULL)
        return C4P_ERR_ARG;
    if (py->started)
        return C4P_ERR_STATE;
    if (!python_can_pass(signature))
        return C4P_ERR_TYPE;
    c4p_typed_t typed;
    c4p_status_t status = c4p_entry_add_typed(py->rt, type, name, signature, fn, &typed);
    if (status != C4P_OK)
        return status;
    if (c4pe_typed_expose(py->st, typed, c4p_type_name(py->rt, type), name, signature) < 0)
        return c4pe_host_failed(py);
    *typed_out = typed;
    return C4P_OK;
}
