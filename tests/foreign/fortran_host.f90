! SPDX-License-Identifier: Apache-2.0
! A host in Fortran hands its communicator to the C library.
program fortran_host
    use, intrinsic :: iso_c_binding
    use mpi
    implicit none

    interface
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
        integer(c_int) function c4p_exit(rt, exit_code) bind(C)
            import :: c_int, c_ptr
            type(c_ptr), value :: rt
            integer(c_int), value :: exit_code
        end function
        integer(c_int) function c4p_run(rt, exit_code) bind(C)
            import :: c_int, c_ptr
            type(c_ptr), value :: rt
            integer(c_int), intent(out) :: exit_code
        end function
        integer(c_int) function c4p_rank(rt) bind(C)
            import :: c_int, c_ptr
            type(c_ptr), value :: rt
        end function
        subroutine c4p_free(rt) bind(C)
            import :: c_ptr
            type(c_ptr), value :: rt
        end subroutine
    end interface

    integer, parameter :: err_arg = 100
    type(c_ptr) :: rt
    integer :: world_rank, rank, half, ierror
    integer(c_int) :: exit_code

    call MPI_Init(ierror)
    call MPI_Comm_rank(MPI_COMM_WORLD, world_rank, ierror)
    call MPI_Comm_split(MPI_COMM_WORLD, mod(world_rank, 2), -world_rank, half, ierror)
    call MPI_Comm_rank(half, rank, ierror)

    call check(c4p_init_comm_f(MPI_COMM_NULL, c_null_ptr, rt) == err_arg)
    call check(c4p_init_comm_f(half, c_null_ptr, rt) == 0)
    call check(c4p_rank(rt) == rank)
    call check(c4p_start(rt) == 0)
    if (rank == 0) call check(c4p_exit(rt, 7) == 0)
    call check(c4p_run(rt, exit_code) == 0)
    call check(exit_code == 7)
    call c4p_free(rt)
    call MPI_Comm_free(half, ierror)
    call MPI_Finalize(ierror)

contains

    subroutine check(good)
        logical, intent(in) :: good
        if (.not. good) error stop 1
    end subroutine

end program
