! SPDX-License-Identifier: Apache-2.0
!> What hosts in Fortran stand on: the module c4pyrt has the layouts and constants of C, a communicator is handed over by its
!> handle, and arguments of each kind arrive in an entry method.
module receiver
    use c4pyrt
    use, intrinsic :: iso_c_binding
    implicit none

contains

    integer(c_int) function construct(rt, self, args, ctx, object) bind(C)
        type(c_ptr), value :: rt
        type(c4p_ref_t), value :: self
        type(c_ptr), value :: args, ctx
        type(c_ptr), intent(out) :: object
        object = ctx
        construct = C4P_OK
    end function

    subroutine destroy(rt, object, ctx) bind(C)
        type(c_ptr), value :: rt, object, ctx
    end subroutine

    !> "int a, int64_t b, float c, double d, bool e, bool f, int n, int32_t i[n], int64_t j[n], float x[n], double y[2*n],
    !> ref who, str text, int none, double z[none]"; object: how many calls were right.
    subroutine take(rt, object, a, b, c, d, e, f, n, i, j, x, y, who, text, none, z) bind(C)
        type(c_ptr), value :: rt, object
        integer(c_int), value :: a
        integer(c_int64_t), value :: b
        real(c_float), value :: c
        real(c_double), value :: d
        logical(c_bool), value :: e, f
        integer(c_int), value :: n
        integer(c_int32_t), intent(in) :: i(n)
        integer(c_int64_t), intent(in) :: j(n)
        real(c_float), intent(in) :: x(n)
        real(c_double), intent(in) :: y(2, n)
        type(c4p_ref_t), intent(in) :: who
        character(kind=c_char), intent(in) :: text(*)
        integer(c_int), value :: none
        real(c_double), intent(in) :: z(none)
        integer(c_int), pointer :: calls
        type(c4p_ref_t) :: self
        call c_f_pointer(object, calls)
        self = c4p_self(rt)
        if (a == -7 .and. b == 2_c_int64_t**40 .and. abs(c - 1.5) < 1e-6 .and. abs(d + 0.1_c_double) < 1e-15_c_double .and. &
            e .and. .not. f .and. n == 3 .and. all(i == [1, -2, 3]) .and. all(j == [4, 5, -6]) .and. &
            all(abs(x - [0.5, 1.0, 1.5]) < 1e-6) .and. all(nint(y) == reshape([1, 2, 3, 4, 5, 6], [2, 3])) .and. &
            who%coll == self%coll .and. all(who%key%w == self%key%w) .and. &
            text(1) == "h" .and. text(2) == "i" .and. text(3) == c_null_char .and. none == 0 .and. size(z) == 0) &
            calls = calls + 1
    end subroutine

end module

program fortran_host
    use, intrinsic :: iso_c_binding
    use mpi
    use c4pyrt
    use receiver
    implicit none

    interface
        integer(c_int) function c4p_test_layout(out, room) bind(C)
            import :: c_int, c_int64_t
            integer(c_int64_t), intent(out) :: out(*)
            integer(c_int), value :: room
        end function
    end interface

    type(c_ptr) :: rt
    integer :: world_rank, rank, half, ierror
    integer(c_int) :: exit_code

    call check_layout()
    call MPI_Init(ierror)
    call MPI_Comm_rank(MPI_COMM_WORLD, world_rank, ierror)
    call MPI_Comm_split(MPI_COMM_WORLD, mod(world_rank, 2), -world_rank, half, ierror)
    call MPI_Comm_rank(half, rank, ierror)

    call check(c4p_init_comm_f(MPI_COMM_NULL, c_null_ptr, rt) == C4P_ERR_ARG, "no communicator")
    call check(c4p_init_comm_f(half, c_null_ptr, rt) == C4P_OK, "init")
    call check(c4p_rank(rt) == rank, "rank")
    call check_arguments()
    if (rank == 0) call check(c4p_exit(rt, 7) == C4P_OK, "exit")
    call check(c4p_run(rt, exit_code) == C4P_OK, "run")
    call check(exit_code == 7, "exit code")
    call c4p_free(rt)
    call MPI_Comm_free(half, ierror)
    call MPI_Finalize(ierror)

contains

    subroutine check(good, what)
        logical, intent(in) :: good
        character(*), intent(in) :: what
        if (.not. good) error stop "wrong: " // what
    end subroutine

    !> Where a field lies in its type.
    integer(c_int64_t) function place(whole, field)
        type(c_ptr), intent(in) :: whole, field
        place = transfer(field, 0_c_int64_t) - transfer(whole, 0_c_int64_t)
    end function

    subroutine check_layout()
        type(c4p_key_t), target :: key
        type(c4p_ref_t), target :: ref
        type(c4p_index_t), target :: index
        type(c4p_typed_t), target :: typed
        type(c4p_array_opts_t), target :: opts
        type(c4p_reduce_t), target :: reduce
        type(c4p_target_t), target :: to
        type(c4p_result_t), target :: result
        type(c4p_arg_t), target :: arg
        type(c4p_type_desc_t), target :: desc
        integer(c_int64_t), allocatable :: ours(:)
        integer(c_int64_t) :: theirs(200)
        integer :: i
        allocate (ours(0))
        ours = [ours, &
            c_sizeof(key), &
            c_sizeof(ref), place(c_loc(ref), c_loc(ref%key)), &
            c_sizeof(index), place(c_loc(index), c_loc(index%at)), &
            c_sizeof(typed), place(c_loc(typed), c_loc(typed%entry)), &
            c_sizeof(opts), place(c_loc(opts), c_loc(opts%dense)), place(c_loc(opts), c_loc(opts%dims)), &
            place(c_loc(opts), c_loc(opts%map)), place(c_loc(opts), c_loc(opts%created)), &
            place(c_loc(opts), c_loc(opts%at_sync)), &
            c_sizeof(reduce), place(c_loc(reduce), c_loc(reduce%custom)), place(c_loc(reduce), c_loc(reduce%meta)), &
            c_sizeof(to), place(c_loc(to), c_loc(to%entry)), place(c_loc(to), c_loc(to%flags)), &
            place(c_loc(to), c_loc(to%number)), place(c_loc(to), c_loc(to%ref)), &
            c_sizeof(result), place(c_loc(result), c_loc(result%contributors)), place(c_loc(result), c_loc(result%meta)), &
            place(c_loc(result), c_loc(result%data)), place(c_loc(result), c_loc(result%coll)), &
            c_sizeof(arg), place(c_loc(arg), c_loc(arg%of)), place(c_loc(arg), c_loc(arg%value)), &
            c_sizeof(desc), place(c_loc(desc), c_loc(desc%unpack)), place(c_loc(desc), c_loc(desc%ctx)), &
            place(c_loc(desc), c_loc(desc%regroup))]
        ours = [ours, int([ &
            C4P_MAX_DIMS, &
            C4P_OK, C4P_ERR_ARG, C4P_ERR_RANGE, C4P_ERR_TYPE, C4P_ERR_STATE, C4P_ERR_EXISTS, C4P_ERR_NOT_FOUND, &
            C4P_ERR_LIMIT, C4P_ERR_BUSY, C4P_ERR_OPTION, C4P_ERR_USER, C4P_ERR_DATA, C4P_ERR_NO_INPUT, C4P_ERR_NO_ELEMENT, &
            C4P_ERR_DEAD, C4P_ERR_STALL, C4P_ERR_MISMATCH, C4P_ERR_SINGLETON, C4P_ERR_NOMEM, C4P_ERR_IO, C4P_ERR_MPI, &
            C4P_ERR_INTERNAL, &
            C4P_BOOL, C4P_INT8, C4P_UINT8, C4P_INT16, C4P_UINT16, C4P_INT32, C4P_UINT32, C4P_INT64, C4P_UINT64, &
            C4P_FLOAT32, C4P_FLOAT64, C4P_COMPLEX64, C4P_COMPLEX128, &
            C4P_OP_NOP, C4P_OP_SUM, C4P_OP_PRODUCT, C4P_OP_MIN, C4P_OP_MAX, C4P_OP_AND, C4P_OP_OR, C4P_OP_XOR, &
            C4P_OP_BIT_AND, C4P_OP_BIT_OR, C4P_OP_BIT_XOR, C4P_OP_MINLOC, C4P_OP_MAXLOC, C4P_OP_GATHER, &
            C4P_OP_SUM_ORDERED, C4P_OP_SUM_COMPENSATED, C4P_OP_TUPLE, C4P_OP_CUSTOM, &
            C4P_TARGET_NONE, C4P_TARGET_FUTURE, C4P_TARGET_ELEMENT, C4P_TARGET_BROADCAST, C4P_TARGET_HANDLER, &
            C4P_BCAST_NO_REPLY, C4P_BCAST_DONE, C4P_BCAST_GATHER], c_int64_t)]
        call check(c4p_test_layout(theirs, size(theirs)) == size(ours), "the number of constants")
        do i = 1, size(ours)
            if (ours(i) /= theirs(i)) print *, "entry", i, "of layout.c:", theirs(i), "there,", ours(i), "here"
        end do
        call check(all(ours == theirs(:size(ours))), "the layout")
    end subroutine

    !> One of each kind; all ranks, to a chare of rank 0, whose object is an integer that counts.
    subroutine check_arguments()
        integer(c_int), target :: calls
        integer(c4p_type_t) :: type
        type(c4p_typed_t) :: entry
        type(c4p_ref_t), target :: to
        logical(c_bool) :: exited
        integer(c_int32_t), target :: i(3)
        integer(c_int64_t), target :: j(3)
        real(c_float), target :: x(3)
        real(c_double), target :: y(2, 3), z(0)
        character(kind=c_char), target :: text(3)
        integer :: ranks
        calls = 0
        i = [1, -2, 3]
        j = [4, 5, -6]
        x = [0.5, 1.0, 1.5]
        y = reshape([1, 2, 3, 4, 5, 6], [2, 3])
        text = ["h", "i", c_null_char]
        call check(c4p_type_add(rt, "Receiver", c_funloc(construct), c_funloc(destroy), c_null_funptr, c_null_funptr, &
                                c_loc(calls), type) == C4P_OK, "type")
        call check(c4p_entry_add_typed(rt, type, "take", "int a, int64_t b, float c, double d, bool e, bool f, int n, " // &
                                       "int32_t i[n], int64_t j[n], float x[n], double y[2*n], ref who, str text, " // &
                                       "int none, double z[none]", c_funloc(take), entry) == C4P_OK, "entry")
        call check(c4p_start(rt) == C4P_OK, "start")
        if (rank == 0) call check(c4p_chare_new(rt, type, 0, c_null_ptr, 0_c_int64_t, to) == C4P_OK, "chare")
        call MPI_Bcast(to, int(c_sizeof(to)), MPI_BYTE, 0, half, ierror)
        call check(c4p_send_typed(rt, to, entry, &
                                  [c4p_arg(-7_c_int), c4p_arg(2_c_int64_t**40), c4p_arg(1.5_c_float), &
                                   c4p_arg(-0.1_c_double), c4p_arg(.true._c_bool), c4p_arg(.false.), c4p_arg(3), &
                                   c4p_arg(i), c4p_arg(j), c4p_arg(x), c4p_arg(c_loc(y)), c4p_arg(to), c4p_arg(c_loc(text)), &
                                   c4p_arg(0), c4p_arg(z)]) == C4P_OK, "send")
        call check(c4p_send_typed(rt, to, entry, [c4p_arg(1)]) == C4P_ERR_ARG, "too few arguments")
        call check(c4p_strerror(C4P_ERR_ARG) == "an argument is not valid", "the text of a status")
        call check(c4p_run_until_quiescent(rt, exited) == C4P_OK, "quiescence")
        call MPI_Comm_size(half, ranks, ierror)
        call check(calls == merge(ranks, 0, rank == 0), "what arrived")
    end subroutine

end program
