! SPDX-License-Identifier: Apache-2.0
!> A histogram of numbers from 0 to 1 that lies in chares: blocks of bins, the elements of an array. All ranks count, and
!> send each block what is in its bins; the entropy of the whole comes back by a reduction and a future.
module histogram
    use mpi_f08
    use c4pyrt
    use, intrinsic :: iso_c_binding
    implicit none
    private
    public :: histogram_t, histogram_open, histogram_add, histogram_entropy, histogram_close, entropy_by_mpi

    integer, parameter :: blocks = 8
    integer(c_int), parameter :: bins_of_block = 8

    !> Of each rank.
    type :: histogram_t
        private
        type(c_ptr) :: rt = c_null_ptr
        integer(c4p_type_t) :: type
        type(c4p_typed_t) :: add, sum_up
        integer(c4p_coll_t) :: array = 0
        type(MPI_Comm) :: comm !< the host's
        real(c_double) :: entropy = 0
    end type

    !> A chare.
    type :: block_t
        type(c4p_ref_t) :: self
        integer(c_int64_t) :: counts(bins_of_block) = 0
    end type

contains

    ! ---- chares ---------------------------------------------------------------------------------

    integer(c_int) function block_construct(rt, self, args, ctx, object) bind(C)
        type(c_ptr), value :: rt
        type(c4p_ref_t), value :: self
        type(c_ptr), value :: args, ctx
        type(c_ptr), intent(out) :: object
        type(block_t), pointer :: block
        integer :: error
        block_construct = C4P_ERR_NOMEM
        allocate (block, stat=error)
        if (error /= 0) return
        block%self = self
        object = c_loc(block)
        block_construct = C4P_OK
    end function

    subroutine block_destroy(rt, object, ctx) bind(C)
        type(c_ptr), value :: rt, object, ctx
        type(block_t), pointer :: block
        call c_f_pointer(object, block)
        deallocate (block)
    end subroutine

    !> Entry method, "int n, int64_t counts[n]": what one rank has counted in these bins.
    subroutine block_add(rt, object, n, counts) bind(C)
        type(c_ptr), value :: rt, object
        integer(c_int), value :: n
        integer(c_int64_t), intent(in) :: counts(n)
        type(block_t), pointer :: block
        call c_f_pointer(object, block)
        block%counts = block%counts + counts
    end subroutine

    !> Entry method, "int64_t total, uint64_t future": give this block's part of the entropy, and begin anew.
    subroutine block_sum_up(rt, object, total, future) bind(C)
        type(c_ptr), value :: rt, object
        integer(c_int64_t), value :: total, future
        type(block_t), pointer :: block
        type(c4p_reduce_t) :: in_order
        type(c4p_target_t) :: to
        real(c_double), target :: part
        real(c_double) :: p
        integer :: i
        call c_f_pointer(object, block)
        part = 0
        do i = 1, bins_of_block
            p = real(block%counts(i), c_double) / real(total, c_double)
            if (p > 0) part = part - p * log(p)
        end do
        block%counts = 0
        in_order%op = C4P_OP_SUM_ORDERED ! the same bits on any number of ranks
        in_order%dtype = C4P_FLOAT64
        to%kind = C4P_TARGET_FUTURE
        to%number = future
        call check(rt, c4p_contribute(rt, block%self, in_order, c_loc(part), c_sizeof(part), to, c_null_ptr))
    end subroutine

    !> The future's function, on rank 0.
    subroutine take_entropy(rt, future, msg, is_error, last, ctx) bind(C)
        type(c_ptr), value :: rt
        integer(c_int64_t), value :: future
        type(c_ptr), value :: msg
        logical(c_bool), value :: is_error, last
        type(c_ptr), value :: ctx
        type(histogram_t), pointer :: this
        type(c4p_result_t) :: result
        real(c_double), pointer :: sum
        call c_f_pointer(ctx, this)
        call check(rt, c4p_result_get(msg, result))
        call c_f_pointer(result%data, sum) ! lent until we return
        this%entropy = sum
    end subroutine

    ! ---- the host's side: all ranks call these ---------------------------------------------------

    !> Start C4Py on a communicator of the host's, and make the chares. this: a variable that stays where it is.
    subroutine histogram_open(this, comm)
        type(histogram_t), intent(inout), target :: this
        type(MPI_Comm), intent(in) :: comm
        type(c4p_array_opts_t) :: opts
        integer(c_int) :: status
        status = c4p_init_comm_f(comm%MPI_VAL, c_null_ptr, this%rt)
        if (status /= C4P_OK) error stop "c4p_init_comm_f was refused"
        this%comm = comm
        call check(this%rt, c4p_type_add(this%rt, "Block", c_funloc(block_construct), c_funloc(block_destroy), &
                                         c_null_funptr, c_null_funptr, c_null_ptr, this%type))
        call check(this%rt, c4p_entry_add_typed(this%rt, this%type, "add", "int n, int64_t counts[n]", &
                                                c_funloc(block_add), this%add))
        call check(this%rt, c4p_entry_add_typed(this%rt, this%type, "sum_up", "int64_t total, uint64_t future", &
                                                c_funloc(block_sum_up), this%sum_up))
        call check(this%rt, c4p_start(this%rt))
        opts%dense = .true.
        opts%dims(1) = blocks
        if (c4p_rank(this%rt) == 0) call check(this%rt, c4p_array_new(this%rt, this%type, opts, c_null_ptr, this%array))
        call MPI_Bcast(this%array, 1, MPI_INTEGER8, 0, comm) ! plain data
    end subroutine

    !> Count numbers of this rank: each block gets what falls into its bins.
    subroutine histogram_add(this, x)
        type(histogram_t), intent(inout) :: this
        real(c_double), intent(in) :: x(:)
        integer(c_int64_t), target :: counts(bins_of_block, blocks)
        type(c4p_ref_t) :: block
        type(c4p_index_t) :: index
        integer :: b
        call count_up(x, counts)
        block%coll = this%array
        do b = 1, blocks
            index%at(1) = b - 1
            call check(this%rt, c4p_index_pack(index, block%key))
            call check(this%rt, c4p_send_typed(this%rt, block, this%add, &
                                               [c4p_arg(bins_of_block), c4p_arg(counts(:, b))]))
        end do
    end subroutine

    !> The entropy of the `total` numbers that all ranks have counted, on all ranks; then it begins anew.
    real(c_double) function histogram_entropy(this, total) result(entropy)
        type(histogram_t), intent(inout), target :: this
        integer(c_int64_t), intent(in) :: total
        integer(c4p_future_t) :: future
        type(c_ptr) :: msg
        logical(c_bool) :: exited
        call check(this%rt, c4p_run_until_quiescent(this%rt, exited)) ! all counts have arrived
        if (c4p_rank(this%rt) == 0) then
            call check(this%rt, c4p_future_new(this%rt, 1_c_int64_t, c_funloc(take_entropy), c_loc(this), future))
            call check(this%rt, c4p_msg_typed(this%rt, this%sum_up, msg, [c4p_arg(total), c4p_arg(future)]))
            call check(this%rt, c4p_bcast(this%rt, this%array, this%sum_up%entry, msg, C4P_BCAST_NO_REPLY, 0_c_int64_t))
        end if
        call check(this%rt, c4p_run_until_quiescent(this%rt, exited)) ! and the sum has
        call MPI_Bcast(this%entropy, 1, MPI_DOUBLE_PRECISION, 0, this%comm)
        entropy = this%entropy
    end function

    subroutine histogram_close(this)
        type(histogram_t), intent(inout) :: this
        call c4p_free(this%rt)
        this%rt = c_null_ptr
    end subroutine

    !> The same by MPI alone, to compare with.
    real(c_double) function entropy_by_mpi(x, total, comm) result(entropy)
        real(c_double), intent(in) :: x(:)
        integer(c_int64_t), intent(in) :: total
        type(MPI_Comm), intent(in) :: comm
        integer(c_int64_t) :: counts(bins_of_block, blocks)
        real(c_double) :: p(bins_of_block, blocks)
        call count_up(x, counts)
        call MPI_Allreduce(MPI_IN_PLACE, counts, size(counts), MPI_INTEGER8, MPI_SUM, comm)
        p = real(counts, c_double) / real(total, c_double)
        entropy = -sum(p * log(p), mask=p > 0)
    end function

    ! ---- helpers --------------------------------------------------------------------------------

    subroutine count_up(x, counts)
        real(c_double), intent(in) :: x(:)
        integer(c_int64_t), intent(out) :: counts(:, :)
        integer :: i, bin
        counts = 0
        do i = 1, size(x)
            bin = min(int(x(i) * size(counts)), size(counts) - 1)
            counts(mod(bin, bins_of_block) + 1, bin / bins_of_block + 1) = &
                counts(mod(bin, bins_of_block) + 1, bin / bins_of_block + 1) + 1
        end do
    end subroutine

    !> What is refused ends the job.
    subroutine check(rt, status)
        type(c_ptr), intent(in) :: rt
        integer(c_int), intent(in) :: status
        if (status /= C4P_OK) call c4p_abort(rt, c4p_exit_status(status), c4p_strerror(status))
    end subroutine

end module
