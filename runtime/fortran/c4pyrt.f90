! SPDX-License-Identifier: Apache-2.0
!> The C interface of C4Py (c4p/c4p.h) for Fortran 2008: add this file to your sources, or link the CMake target
!> c4pyrt::fortran, which does so. What a call promises, who owns what afterwards and which statuses come back is said in
!> the C headers; names and arguments are theirs, but for this:
!>
!>  - Texts are ordinary character values, without a final NUL. c4p_type_add() takes what is in c4p_type_desc_t as arguments,
!>    and struct_size is filled in everywhere.
!>  - c4p_send_typed() and c4p_msg_typed() take an array of c4p_arg(x): an integer, real or logical number, a contiguous
!>    array of one dimension of integers or reals, a reference, or a type(c_ptr) to anything. Arrays and references are
!>    not copied before the call, so they must be variables that have the TARGET attribute.
!>  - Unsigned integers are signed ones of the same size; handles (c4p_rt_t *, c4p_msg_t *) and `void *` are type(c_ptr).
!>
!> Functions that C4Py calls (constructors, entry methods, futures) are bind(C) procedures; their interfaces are c4p_construct_fn
!> and the like below. A typed entry method has the parameters of its signature:
!>
!>     subroutine push(rt, cell, dt, n, force) bind(C)          ! "double dt, int n, double force[3*n]"
!>         type(c_ptr), value :: rt, cell
!>         real(c_double), value :: dt
!>         integer(c_int), value :: n
!>         real(c_double), intent(in) :: force(3*n)             ! lent until the method returns
!>
!> Not here: sections, checkpoints, statistics, balancers' views, hooks; they can be declared the same way.
module c4pyrt
    use, intrinsic :: iso_c_binding
    implicit none
    private

    ! ---- constants ------------------------------------------------------------------------------

    !> What a call can answer (c4p_status_t).
    integer(c_int), parameter, public :: C4P_OK = 0, C4P_ERR_ARG = 100, C4P_ERR_RANGE = 101, C4P_ERR_TYPE = 102, &
        C4P_ERR_STATE = 103, C4P_ERR_EXISTS = 104, C4P_ERR_NOT_FOUND = 105, C4P_ERR_LIMIT = 106, C4P_ERR_BUSY = 107, &
        C4P_ERR_OPTION = 108, C4P_ERR_USER = 200, C4P_ERR_DATA = 300, C4P_ERR_NO_INPUT = 301, C4P_ERR_NO_ELEMENT = 310, &
        C4P_ERR_DEAD = 311, C4P_ERR_STALL = 320, C4P_ERR_MISMATCH = 400, C4P_ERR_SINGLETON = 401, C4P_ERR_INTERNAL = 700, &
        C4P_ERR_NOMEM = 710, C4P_ERR_IO = 730, C4P_ERR_MPI = 740

    !> Types of what is reduced (c4p_dtype_t).
    integer(c_int), parameter, public :: C4P_BOOL = 1, C4P_INT8 = 2, C4P_UINT8 = 3, C4P_INT16 = 4, C4P_UINT16 = 5, &
        C4P_INT32 = 6, C4P_UINT32 = 7, C4P_INT64 = 8, C4P_UINT64 = 9, C4P_FLOAT32 = 10, C4P_FLOAT64 = 11, &
        C4P_COMPLEX64 = 12, C4P_COMPLEX128 = 13

    !> How it is combined (c4p_op_t).
    integer(c_int), parameter, public :: C4P_OP_NOP = 0, C4P_OP_SUM = 1, C4P_OP_PRODUCT = 2, C4P_OP_MIN = 3, C4P_OP_MAX = 4, &
        C4P_OP_AND = 5, C4P_OP_OR = 6, C4P_OP_XOR = 7, C4P_OP_BIT_AND = 8, C4P_OP_BIT_OR = 9, C4P_OP_BIT_XOR = 10, &
        C4P_OP_MINLOC = 11, C4P_OP_MAXLOC = 12, C4P_OP_GATHER = 13, C4P_OP_SUM_ORDERED = 14, C4P_OP_SUM_COMPENSATED = 15, &
        C4P_OP_TUPLE = 16, C4P_OP_CUSTOM = 17

    !> Where a result goes (c4p_target_kind_t), and what the sender of a broadcast hears (c4p_bcast_reply_t).
    integer(c_int32_t), parameter, public :: C4P_TARGET_NONE = 0, C4P_TARGET_FUTURE = 1, C4P_TARGET_ELEMENT = 2, &
        C4P_TARGET_BROADCAST = 3, C4P_TARGET_HANDLER = 4
    integer(c_int), parameter, public :: C4P_BCAST_NO_REPLY = 0, C4P_BCAST_DONE = 1, C4P_BCAST_GATHER = 2

    integer, parameter, public :: C4P_MAX_DIMS = 6

    ! ---- kinds and types ------------------------------------------------------------------------

    !> Of c4p_type_t, c4p_entry_t, c4p_coll_t and c4p_future_t: integer(c4p_coll_t) :: cells
    integer, parameter, public :: c4p_type_t = c_int32_t, c4p_entry_t = c_int16_t, c4p_coll_t = c_int64_t, &
        c4p_future_t = c_int64_t

    type, bind(C), public :: c4p_key_t
        integer(c_int64_t) :: w(2) = 0
    end type

    type, bind(C), public :: c4p_ref_t
        integer(c_int64_t) :: coll = 0
        type(c4p_key_t) :: key
    end type

    type, bind(C), public :: c4p_index_t
        integer(c_int) :: ndims = 1
        integer(c_int64_t) :: at(C4P_MAX_DIMS) = 0
    end type

    type, bind(C), public :: c4p_typed_t
        integer(c_int32_t) :: type = 0
        integer(c_int16_t) :: entry = 0
    end type

    type, bind(C), public :: c4p_array_opts_t
        integer(c_size_t) :: struct_size = 0
        integer(c_int) :: ndims = 1
        logical(c_bool) :: dense = .false.
        integer(c_int64_t) :: dims(C4P_MAX_DIMS) = 0
        integer(c_int32_t) :: map = 0
        integer(c_int64_t) :: map_arg = 0, created = 0
        integer(c_int32_t) :: tag = 0
        logical(c_bool) :: at_sync = .false.
    end type

    type, bind(C), public :: c4p_reduce_t
        integer(c_int) :: op = C4P_OP_NOP, dtype = 0
        integer(c_int32_t) :: custom = 0
        integer(c_int64_t) :: meta_len = 0
        type(c_ptr) :: meta = c_null_ptr
    end type

    type, bind(C), public :: c4p_target_t
        integer(c_int32_t) :: kind = C4P_TARGET_NONE
        integer(c_int16_t) :: entry = 0, flags = 0
        integer(c_int64_t) :: number = 0
        type(c4p_ref_t) :: ref
    end type

    type, bind(C), public :: c4p_result_t
        integer(c_int) :: op = 0, dtype = 0
        integer(c_int32_t) :: custom = 0
        integer(c_int64_t) :: number = 0, contributors = 0
        type(c_ptr) :: meta = c_null_ptr
        integer(c_int64_t) :: meta_len = 0
        type(c_ptr) :: data = c_null_ptr
        integer(c_int64_t) :: len = 0, coll = 0
    end type

    !> An argument of a typed entry method; made by c4p_arg(). value: an integer, or the bits of a double or of a pointer.
    type, bind(C), public :: c4p_arg_t
        integer(c_int) :: kind = 0, of = 0
        integer(c_int64_t) :: value = 0
    end type

    type, bind(C), public :: c4p_type_desc_t
        integer(c_size_t) :: struct_size = 0
        type(c_ptr) :: name = c_null_ptr
        type(c_funptr) :: construct = c_null_funptr, destroy = c_null_funptr, pack = c_null_funptr, unpack = c_null_funptr
        type(c_ptr) :: ctx = c_null_ptr
        type(c_funptr) :: arrived = c_null_funptr, movable = c_null_funptr, regroup = c_null_funptr
    end type

    ! ---- what the runtime calls: to be passed by c_funloc() -------------------------------------

    abstract interface
        integer(c_int) function c4p_construct_fn(rt, self, args, ctx, object) bind(C)
            import :: c_int, c_ptr, c4p_ref_t
            type(c_ptr), value :: rt
            type(c4p_ref_t), value :: self
            type(c_ptr), value :: args, ctx
            type(c_ptr), intent(out) :: object
        end function
        subroutine c4p_destroy_fn(rt, object, ctx) bind(C)
            import :: c_ptr
            type(c_ptr), value :: rt, object, ctx
        end subroutine
        integer(c_int) function c4p_pack_fn(rt, object, p, ctx) bind(C)
            import :: c_int, c_ptr
            type(c_ptr), value :: rt, object, p, ctx
        end function
        integer(c_int) function c4p_unpack_fn(rt, self, p, ctx, object) bind(C)
            import :: c_int, c_ptr, c4p_ref_t
            type(c_ptr), value :: rt
            type(c4p_ref_t), value :: self
            type(c_ptr), value :: p, ctx
            type(c_ptr), intent(out) :: object
        end function
        subroutine c4p_entry_fn(rt, object, msg, ctx) bind(C)
            import :: c_ptr
            type(c_ptr), value :: rt, object, msg, ctx
        end subroutine
        subroutine c4p_future_fn(rt, future, msg, is_error, last, ctx) bind(C)
            import :: c_ptr, c_int64_t, c_bool
            type(c_ptr), value :: rt
            integer(c_int64_t), value :: future
            type(c_ptr), value :: msg
            logical(c_bool), value :: is_error, last
            type(c_ptr), value :: ctx
        end subroutine
    end interface
    public :: c4p_construct_fn, c4p_destroy_fn, c4p_pack_fn, c4p_unpack_fn, c4p_entry_fn, c4p_future_fn

    ! ---- as in C --------------------------------------------------------------------------------

    interface
        ! runtime.h, mpi.h
        integer(c_int) function c4p_init(opts, rt) bind(C)
            import :: c_int, c_ptr
            type(c_ptr), value :: opts !< c_null_ptr: defaults
            type(c_ptr), intent(out) :: rt
        end function
        !> comm: comm%MPI_VAL of mpi_f08, or an INTEGER handle of mpi and mpif.h
        integer(c_int) function c4p_init_comm_f(comm, opts, rt) bind(C)
            import :: c_int, c_ptr
            integer(c_int), value :: comm
            type(c_ptr), value :: opts
            type(c_ptr), intent(out) :: rt
        end function
        integer(c_int) function c4p_start(rt) bind(C)
            import :: c_int, c_ptr
            type(c_ptr), value :: rt
        end function
        integer(c_int) function c4p_run(rt, exit_code) bind(C)
            import :: c_int, c_ptr
            type(c_ptr), value :: rt
            integer(c_int), intent(out) :: exit_code
        end function
        integer(c_int) function c4p_run_until_quiescent(rt, exited) bind(C)
            import :: c_int, c_ptr, c_bool
            type(c_ptr), value :: rt
            logical(c_bool), intent(inout) :: exited !< set to .true. when the job exits
        end function
        integer(c_int) function c4p_run_for(rt, max_msgs, max_us, exited) bind(C)
            import :: c_int, c_ptr, c_int64_t, c_bool
            type(c_ptr), value :: rt
            integer(c_int64_t), value :: max_msgs, max_us
            logical(c_bool), intent(inout) :: exited
        end function
        integer(c_int) function c4p_step(rt, max_msgs, did) bind(C)
            import :: c_int, c_ptr, c_int32_t
            type(c_ptr), value :: rt
            integer(c_int32_t), value :: max_msgs
            integer(c_int32_t), intent(out) :: did
        end function
        subroutine c4p_poll(rt) bind(C)
            import :: c_ptr
            type(c_ptr), value :: rt
        end subroutine
        integer(c_int) function c4p_exit(rt, exit_code) bind(C)
            import :: c_int, c_ptr
            type(c_ptr), value :: rt
            integer(c_int), value :: exit_code
        end function
        subroutine c4p_free(rt) bind(C)
            import :: c_ptr
            type(c_ptr), value :: rt
        end subroutine
        integer(c_int) function c4p_rank(rt) bind(C)
            import :: c_int, c_ptr
            type(c_ptr), value :: rt
        end function
        integer(c_int) function c4p_num_ranks(rt) bind(C)
            import :: c_int, c_ptr
            type(c_ptr), value :: rt
        end function
        real(c_double) function c4p_time_s(rt) bind(C)
            import :: c_double, c_ptr
            type(c_ptr), value :: rt
        end function
        integer(c_int) function c4p_exit_status(status) bind(C)
            import :: c_int
            integer(c_int), value :: status
        end function

        ! types.h
        integer(c_int) function c4p_index_pack(index, key) bind(C)
            import :: c_int, c4p_index_t, c4p_key_t
            type(c4p_index_t), intent(in) :: index
            type(c4p_key_t), intent(out) :: key
        end function
        subroutine c4p_index_unpack(key, ndims, index) bind(C)
            import :: c_int, c4p_index_t, c4p_key_t
            type(c4p_key_t), value :: key
            integer(c_int), value :: ndims
            type(c4p_index_t), intent(out) :: index
        end subroutine

        ! chare.h
        integer(c_int) function c4p_group_new(rt, type, args, created, coll) bind(C)
            import :: c_int, c_ptr, c_int32_t, c_int64_t
            type(c_ptr), value :: rt
            integer(c_int32_t), value :: type
            type(c_ptr), value :: args
            integer(c_int64_t), value :: created
            integer(c_int64_t), intent(out) :: coll
        end function
        integer(c_int) function c4p_chare_new(rt, type, rank, args, created, ref) bind(C)
            import :: c_int, c_ptr, c_int32_t, c_int64_t, c4p_ref_t
            type(c_ptr), value :: rt
            integer(c_int32_t), value :: type
            integer(c_int), value :: rank
            type(c_ptr), value :: args
            integer(c_int64_t), value :: created
            type(c4p_ref_t), intent(out) :: ref
        end function
        integer(c_int) function c4p_insert(rt, coll, index, rank, args) bind(C)
            import :: c_int, c_ptr, c_int64_t, c4p_index_t
            type(c_ptr), value :: rt
            integer(c_int64_t), value :: coll
            type(c4p_index_t), intent(in) :: index
            integer(c_int), value :: rank
            type(c_ptr), value :: args
        end function
        integer(c_int) function c4p_done_inserting(rt, coll) bind(C)
            import :: c_int, c_ptr, c_int64_t
            type(c_ptr), value :: rt
            integer(c_int64_t), value :: coll
        end function
        integer(c_int) function c4p_destroy(rt, ref) bind(C)
            import :: c_int, c_ptr, c4p_ref_t
            type(c_ptr), value :: rt
            type(c4p_ref_t), value :: ref
        end function
        integer(c_int) function c4p_migrate(rt, self, rank, answer) bind(C)
            import :: c_int, c_ptr, c4p_ref_t
            type(c_ptr), value :: rt
            type(c4p_ref_t), value :: self
            integer(c_int), value :: rank
            type(c_ptr), value :: answer !< c_null_ptr: nobody waits
        end function
        type(c_ptr) function c4p_local(rt, ref) bind(C)
            import :: c_ptr, c4p_ref_t
            type(c_ptr), value :: rt
            type(c4p_ref_t), value :: ref
        end function
        type(c4p_ref_t) function c4p_self(rt) bind(C)
            import :: c_ptr, c4p_ref_t
            type(c_ptr), value :: rt
        end function

        ! msg.h, send.h
        integer(c_int) function c4p_msg_new(rt, len, msg) bind(C)
            import :: c_int, c_ptr, c_size_t
            type(c_ptr), value :: rt
            integer(c_size_t), value :: len
            type(c_ptr), intent(out) :: msg
        end function
        type(c_ptr) function c4p_msg_data(msg) bind(C)
            import :: c_ptr
            type(c_ptr), value :: msg
        end function
        integer(c_size_t) function c4p_msg_len(msg) bind(C)
            import :: c_ptr, c_size_t
            type(c_ptr), value :: msg
        end function
        subroutine c4p_msg_keep(msg) bind(C)
            import :: c_ptr
            type(c_ptr), value :: msg
        end subroutine
        subroutine c4p_msg_free(msg) bind(C)
            import :: c_ptr
            type(c_ptr), value :: msg
        end subroutine
        subroutine c4p_msg_set_priority(msg, priority) bind(C)
            import :: c_ptr, c_int32_t
            type(c_ptr), value :: msg
            integer(c_int32_t), value :: priority
        end subroutine
        integer(c_int) function c4p_msg_source(msg) bind(C)
            import :: c_int, c_ptr
            type(c_ptr), value :: msg
        end function
        integer(c_int) function c4p_send(rt, to, entry, msg) bind(C)
            import :: c_int, c_ptr, c_int16_t, c4p_ref_t
            type(c_ptr), value :: rt
            type(c4p_ref_t), value :: to
            integer(c_int16_t), value :: entry
            type(c_ptr), value :: msg
        end function
        integer(c_int) function c4p_call(rt, to, entry, msg, reply) bind(C)
            import :: c_int, c_ptr, c_int16_t, c_int64_t, c4p_ref_t
            type(c_ptr), value :: rt
            type(c4p_ref_t), value :: to
            integer(c_int16_t), value :: entry
            type(c_ptr), value :: msg
            integer(c_int64_t), value :: reply
        end function

        ! typed.h
        integer(c_int) function c4p_send_args(rt, to, typed, args, num_args) bind(C)
            import :: c_int, c_ptr, c_size_t, c4p_ref_t, c4p_typed_t, c4p_arg_t
            type(c_ptr), value :: rt
            type(c4p_ref_t), value :: to
            type(c4p_typed_t), value :: typed
            type(c4p_arg_t), intent(in) :: args(*)
            integer(c_size_t), value :: num_args
        end function
        integer(c_int) function c4p_msg_args(rt, typed, args, num_args, msg) bind(C)
            import :: c_int, c_ptr, c_size_t, c4p_typed_t, c4p_arg_t
            type(c_ptr), value :: rt
            type(c4p_typed_t), value :: typed
            type(c4p_arg_t), intent(in) :: args(*)
            integer(c_size_t), value :: num_args
            type(c_ptr), intent(out) :: msg
        end function

        ! future.h, collective.h
        integer(c_int) function c4p_future_new(rt, num_values, fn, ctx, future) bind(C)
            import :: c_int, c_ptr, c_funptr, c_int64_t
            type(c_ptr), value :: rt
            integer(c_int64_t), value :: num_values
            type(c_funptr), value :: fn
            type(c_ptr), value :: ctx
            integer(c_int64_t), intent(out) :: future
        end function
        subroutine c4p_future_free(rt, future) bind(C)
            import :: c_ptr, c_int64_t
            type(c_ptr), value :: rt
            integer(c_int64_t), value :: future
        end subroutine
        integer(c_int) function c4p_future_send(rt, future, msg, is_error) bind(C)
            import :: c_int, c_ptr, c_int64_t, c_bool
            type(c_ptr), value :: rt
            integer(c_int64_t), value :: future
            type(c_ptr), value :: msg
            logical(c_bool), value :: is_error
        end function
        integer(c_int) function c4p_bcast(rt, coll, entry, msg, how, reply) bind(C)
            import :: c_int, c_ptr, c_int16_t, c_int64_t
            type(c_ptr), value :: rt
            integer(c_int64_t), value :: coll
            integer(c_int16_t), value :: entry
            type(c_ptr), value :: msg
            integer(c_int), value :: how
            integer(c_int64_t), value :: reply
        end function
        integer(c_int) function c4p_contribute(rt, self, how, data, len, target, number) bind(C)
            import :: c_int, c_ptr, c_size_t, c4p_ref_t, c4p_reduce_t, c4p_target_t
            type(c_ptr), value :: rt
            type(c4p_ref_t), value :: self
            type(c4p_reduce_t), intent(in) :: how
            type(c_ptr), value :: data
            integer(c_size_t), value :: len
            type(c4p_target_t), intent(in) :: target
            type(c_ptr), value :: number !< to an integer(c_int64_t), or c_null_ptr
        end function
        integer(c_int) function c4p_result_get(msg, result) bind(C)
            import :: c_int, c_ptr, c4p_result_t
            type(c_ptr), value :: msg
            type(c4p_result_t), intent(out) :: result
        end function
        integer(c_int) function c4p_detect_quiescence(rt, target) bind(C)
            import :: c_int, c_ptr, c4p_target_t
            type(c_ptr), value :: rt
            type(c4p_target_t), intent(in) :: target
        end function

        ! sync.h, pup.h
        integer(c_int) function c4p_sync(rt, self, entry) bind(C)
            import :: c_int, c_ptr, c_int16_t, c4p_ref_t
            type(c_ptr), value :: rt
            type(c4p_ref_t), value :: self
            integer(c_int16_t), value :: entry
        end function
        subroutine c4p_put_u32(p, v) bind(C)
            import :: c_ptr, c_int32_t
            type(c_ptr), value :: p
            integer(c_int32_t), value :: v
        end subroutine
        subroutine c4p_put_u64(p, v) bind(C)
            import :: c_ptr, c_int64_t
            type(c_ptr), value :: p
            integer(c_int64_t), value :: v
        end subroutine
        subroutine c4p_put_f64(p, v) bind(C)
            import :: c_ptr, c_double
            type(c_ptr), value :: p
            real(c_double), value :: v
        end subroutine
        subroutine c4p_put_bytes(p, data, len) bind(C)
            import :: c_ptr, c_size_t
            type(c_ptr), value :: p, data
            integer(c_size_t), value :: len
        end subroutine
        integer(c_int32_t) function c4p_get_u32(p) bind(C)
            import :: c_ptr, c_int32_t
            type(c_ptr), value :: p
        end function
        integer(c_int64_t) function c4p_get_u64(p) bind(C)
            import :: c_ptr, c_int64_t
            type(c_ptr), value :: p
        end function
        real(c_double) function c4p_get_f64(p) bind(C)
            import :: c_ptr, c_double
            type(c_ptr), value :: p
        end function
        subroutine c4p_get_bytes(p, data, len) bind(C)
            import :: c_ptr, c_size_t
            type(c_ptr), value :: p, data
            integer(c_size_t), value :: len
        end subroutine
        integer(c_int) function c4p_pup_status(p) bind(C)
            import :: c_int, c_ptr
            type(c_ptr), value :: p
        end function
    end interface
    public :: c4p_init, c4p_init_comm_f, c4p_start, c4p_run, c4p_run_until_quiescent, c4p_run_for, c4p_step, c4p_poll, &
        c4p_exit, c4p_free, c4p_rank, c4p_num_ranks, c4p_time_s, c4p_exit_status, c4p_index_pack, c4p_index_unpack, &
        c4p_group_new, c4p_chare_new, c4p_insert, c4p_done_inserting, c4p_destroy, c4p_migrate, c4p_local, c4p_self, &
        c4p_msg_new, c4p_msg_data, c4p_msg_len, c4p_msg_keep, c4p_msg_free, c4p_msg_set_priority, c4p_msg_source, c4p_send, &
        c4p_call, c4p_send_args, c4p_msg_args, c4p_future_new, c4p_future_free, c4p_future_send, c4p_bcast, &
        c4p_contribute, c4p_result_get, c4p_detect_quiescence, c4p_sync, c4p_put_u32, c4p_put_u64, c4p_put_f64, &
        c4p_put_bytes, c4p_get_u32, c4p_get_u64, c4p_get_f64, c4p_get_bytes, c4p_pup_status

    ! ---- with texts, or with struct_size: see below ---------------------------------------------

    public :: c4p_abort, c4p_strerror, c4p_type_add, c4p_entry_add, c4p_entry_add_typed, c4p_array_new, c4p_lb_use, &
        c4p_send_typed, c4p_msg_typed, c4p_arg

    interface
        subroutine abort_in_c(rt, exit_status, text) bind(C, name="c4p_abort")
            import :: c_ptr, c_int, c_char
            type(c_ptr), value :: rt
            integer(c_int), value :: exit_status
            character(kind=c_char), intent(in) :: text(*)
        end subroutine
        type(c_ptr) function strerror_in_c(status) bind(C, name="c4p_strerror")
            import :: c_ptr, c_int
            integer(c_int), value :: status
        end function
        integer(c_size_t) function strlen_in_c(text) bind(C, name="strlen")
            import :: c_ptr, c_size_t
            type(c_ptr), value :: text
        end function
        integer(c_int) function type_add_in_c(rt, desc, type) bind(C, name="c4p_type_add")
            import :: c_int, c_ptr, c_int32_t, c4p_type_desc_t
            type(c_ptr), value :: rt
            type(c4p_type_desc_t), intent(in) :: desc
            integer(c_int32_t), intent(out) :: type
        end function
        integer(c_int) function entry_add_in_c(rt, type, name, fn, ctx, entry) bind(C, name="c4p_entry_add")
            import :: c_int, c_ptr, c_funptr, c_char, c_int16_t, c_int32_t
            type(c_ptr), value :: rt
            integer(c_int32_t), value :: type
            character(kind=c_char), intent(in) :: name(*)
            type(c_funptr), value :: fn
            type(c_ptr), value :: ctx
            integer(c_int16_t), intent(out) :: entry
        end function
        integer(c_int) function entry_add_typed_in_c(rt, type, name, signature, fn, typed) bind(C, name="c4p_entry_add_typed")
            import :: c_int, c_ptr, c_funptr, c_char, c_int32_t, c4p_typed_t
            type(c_ptr), value :: rt
            integer(c_int32_t), value :: type
            character(kind=c_char), intent(in) :: name(*), signature(*)
            type(c_funptr), value :: fn
            type(c4p_typed_t), intent(out) :: typed
        end function
        integer(c_int) function array_new_in_c(rt, type, opts, args, coll) bind(C, name="c4p_array_new")
            import :: c_int, c_ptr, c_int32_t, c_int64_t, c4p_array_opts_t
            type(c_ptr), value :: rt
            integer(c_int32_t), value :: type
            type(c4p_array_opts_t), intent(in) :: opts
            type(c_ptr), value :: args
            integer(c_int64_t), intent(out) :: coll
        end function
        integer(c_int) function lb_use_in_c(rt, names) bind(C, name="c4p_lb_use")
            import :: c_int, c_ptr, c_char
            type(c_ptr), value :: rt
            character(kind=c_char), intent(in) :: names(*)
        end function
    end interface

    !> One argument for c4p_send_typed() and c4p_msg_typed().
    interface c4p_arg
        module procedure arg_int32, arg_int64, arg_real32, arg_real64, arg_logical, arg_bool, arg_int32s, arg_int64s, &
            arg_real32s, arg_real64s, arg_ref, arg_pointer
    end interface

    ! c4p_arg_kind_t; c4p_arg_of_t: of C's types, by the sizes that Fortran's kinds have.
    integer(c_int), parameter :: SIGNED = 0, UNSIGNED = 1, FLOATING = 2, POINTER = 3
    integer(c_int), parameter :: OF_ANY = 0, OF_BOOL = 1, OF_INT = 7, OF_LONG = 9, OF_FLOAT = 13, OF_DOUBLE = 14

contains

    !> End the job on all ranks, with a report. Does not return.
    subroutine c4p_abort(rt, exit_status, text)
        type(c_ptr), intent(in) :: rt
        integer(c_int), intent(in) :: exit_status
        character(*), intent(in) :: text
        call abort_in_c(rt, exit_status, text // c_null_char)
    end subroutine

    !> The text of a status.
    function c4p_strerror(status) result(text)
        integer(c_int), intent(in) :: status
        character(:), allocatable :: text
        character(kind=c_char), pointer :: chars(:)
        type(c_ptr) :: at
        integer :: i
        at = strerror_in_c(status)
        call c_f_pointer(at, chars, [strlen_in_c(at)])
        allocate (character(size(chars)) :: text)
        do i = 1, size(chars)
            text(i:i) = chars(i)
        end do
    end function

    !> Add a type. construct, destroy, pack and unpack: c_funloc() of a c4p_construct_fn and so on; if the last two are
    !> c_null_funptr its elements cannot move. ctx is their last argument, or the one before the last.
    integer(c_int) function c4p_type_add(rt, name, construct, destroy, pack, unpack, ctx, type) result(status)
        type(c_ptr), intent(in) :: rt
        character(*), intent(in) :: name
        type(c_funptr), value :: construct, destroy, pack, unpack
        type(c_ptr), intent(in) :: ctx
        integer(c_int32_t), intent(out) :: type
        character(len(name) + 1, kind=c_char), target :: text
        type(c4p_type_desc_t) :: desc
        text = name // c_null_char
        desc%struct_size = c_sizeof(desc)
        desc%name = c_loc(text)
        desc%construct = construct
        desc%destroy = destroy
        desc%ctx = ctx
        desc%pack = pack
        desc%unpack = unpack
        status = type_add_in_c(rt, desc, type)
    end function

    !> Add an entry method that takes a message; fn: c_funloc() of a c4p_entry_fn.
    integer(c_int) function c4p_entry_add(rt, type, name, fn, ctx, entry) result(status)
        type(c_ptr), intent(in) :: rt
        integer(c_int32_t), intent(in) :: type
        character(*), intent(in) :: name
        type(c_funptr), value :: fn
        type(c_ptr), intent(in) :: ctx
        integer(c_int16_t), intent(out) :: entry
        status = entry_add_in_c(rt, type, name // c_null_char, fn, ctx, entry)
    end function

    !> Add an entry method with parameters.
    integer(c_int) function c4p_entry_add_typed(rt, type, name, signature, fn, typed) result(status)
        type(c_ptr), intent(in) :: rt
        integer(c_int32_t), intent(in) :: type
        character(*), intent(in) :: name, signature
        type(c_funptr), value :: fn
        type(c4p_typed_t), intent(out) :: typed
        status = entry_add_typed_in_c(rt, type, name // c_null_char, signature // c_null_char, fn, typed)
    end function

    integer(c_int) function c4p_array_new(rt, type, opts, args, coll) result(status)
        type(c_ptr), intent(in) :: rt
        integer(c_int32_t), intent(in) :: type
        type(c4p_array_opts_t), intent(in) :: opts
        type(c_ptr), intent(in) :: args
        integer(c_int64_t), intent(out) :: coll
        type(c4p_array_opts_t) :: sized
        sized = opts
        sized%struct_size = c_sizeof(sized)
        status = array_new_in_c(rt, type, sized, args, coll)
    end function

    integer(c_int) function c4p_lb_use(rt, names) result(status)
        type(c_ptr), intent(in) :: rt
        character(*), intent(in) :: names
        status = lb_use_in_c(rt, names // c_null_char)
    end function

    ! ---- arguments of typed entry methods -------------------------------------------------------

    integer(c_int) function c4p_send_typed(rt, to, typed, args) result(status)
        type(c_ptr), intent(in) :: rt
        type(c4p_ref_t), intent(in) :: to
        type(c4p_typed_t), intent(in) :: typed
        type(c4p_arg_t), intent(in) :: args(:)
        status = c4p_send_args(rt, to, typed, args, size(args, kind=c_size_t))
    end function

    integer(c_int) function c4p_msg_typed(rt, typed, msg, args) result(status)
        type(c_ptr), intent(in) :: rt
        type(c4p_typed_t), intent(in) :: typed
        type(c_ptr), intent(out) :: msg
        type(c4p_arg_t), intent(in) :: args(:)
        status = c4p_msg_args(rt, typed, args, size(args, kind=c_size_t), msg)
    end function

    type(c4p_arg_t) function arg_int32(x)
        integer(c_int32_t), intent(in) :: x
        arg_int32 = c4p_arg_t(SIGNED, OF_INT, int(x, c_int64_t))
    end function

    type(c4p_arg_t) function arg_int64(x)
        integer(c_int64_t), intent(in) :: x
        arg_int64 = c4p_arg_t(SIGNED, OF_LONG, x)
    end function

    type(c4p_arg_t) function arg_real32(x)
        real(c_float), intent(in) :: x
        arg_real32 = c4p_arg_t(FLOATING, OF_FLOAT, transfer(real(x, c_double), 0_c_int64_t))
    end function

    type(c4p_arg_t) function arg_real64(x)
        real(c_double), intent(in) :: x
        arg_real64 = c4p_arg_t(FLOATING, OF_DOUBLE, transfer(x, 0_c_int64_t))
    end function

    type(c4p_arg_t) function arg_logical(x)
        logical, intent(in) :: x
        arg_logical = c4p_arg_t(UNSIGNED, OF_BOOL, merge(1_c_int64_t, 0_c_int64_t, x))
    end function

    type(c4p_arg_t) function arg_bool(x)
        logical(c_bool), intent(in) :: x
        arg_bool = c4p_arg_t(UNSIGNED, OF_BOOL, merge(1_c_int64_t, 0_c_int64_t, logical(x)))
    end function

    !> A pointer into the memory of the caller, of elements of this type. Even without elements it is not NULL.
    type(c4p_arg_t) function arg_to(at, of, contiguous)
        type(c_ptr), intent(in) :: at
        integer(c_int), intent(in) :: of
        logical, intent(in) :: contiguous
        integer(c_int64_t), target, save :: nothing = 0
        if (.not. contiguous) error stop "c4p_arg: the array has gaps; pass a copy that has none"
        arg_to = c4p_arg_t(POINTER, of, transfer(at, 0_c_int64_t))
        if (.not. c_associated(at)) arg_to%value = transfer(c_loc(nothing), 0_c_int64_t)
    end function

    type(c4p_arg_t) function arg_int32s(x)
        integer(c_int32_t), intent(in), target :: x(:)
        type(c_ptr) :: at
        at = c_null_ptr
        if (size(x) > 0) at = c_loc(x(1))
        arg_int32s = arg_to(at, OF_INT, is_contiguous(x))
    end function

    type(c4p_arg_t) function arg_int64s(x)
        integer(c_int64_t), intent(in), target :: x(:)
        type(c_ptr) :: at
        at = c_null_ptr
        if (size(x) > 0) at = c_loc(x(1))
        arg_int64s = arg_to(at, OF_LONG, is_contiguous(x))
    end function

    type(c4p_arg_t) function arg_real32s(x)
        real(c_float), intent(in), target :: x(:)
        type(c_ptr) :: at
        at = c_null_ptr
        if (size(x) > 0) at = c_loc(x(1))
        arg_real32s = arg_to(at, OF_FLOAT, is_contiguous(x))
    end function

    type(c4p_arg_t) function arg_real64s(x)
        real(c_double), intent(in), target :: x(:)
        type(c_ptr) :: at
        at = c_null_ptr
        if (size(x) > 0) at = c_loc(x(1))
        arg_real64s = arg_to(at, OF_DOUBLE, is_contiguous(x))
    end function

    type(c4p_arg_t) function arg_ref(x)
        type(c4p_ref_t), intent(in), target :: x
        arg_ref = arg_to(c_loc(x), OF_ANY, .true.)
    end function

    !> Whatever the signature says: a struct, a text with its NUL, an array of more dimensions.
    type(c4p_arg_t) function arg_pointer(x)
        type(c_ptr), intent(in) :: x
        arg_pointer = c4p_arg_t(POINTER, OF_ANY, transfer(x, 0_c_int64_t))
    end function

end module
