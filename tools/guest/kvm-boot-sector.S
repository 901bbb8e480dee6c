# A whole guest in 512 bytes: says MINOVA-BOOT-SECTOR-OK on the first serial port and switches itself off.
# It stays in real mode, so it runs under KVM on hosts where an ordinary kernel does not, and needs only SeaBIOS.
# Machine types pc and q35: SeaBIOS puts the ACPI power management registers at I/O port 0x600.

        .set    UART, 0x3f8             # COM1: data register
        .set    UART_STATUS, UART + 5
        .set    CAN_SEND, 0x20          # transmit holding register empty
        .set    PM1_CONTROL, 0x604
        .set    SOFT_OFF, 0x2000        # SLP_EN with sleep type 0, which QEMU's DSDT calls S5

        .code16
        .globl  _start
_start: cli
        ljmp    $0, $entry              # some BIOSes enter at 07c0:0000
entry:  xorw    %ax, %ax
        movw    %ax, %ds
        movw    $message, %si
        cld

next:   lodsb
        testb   %al, %al
        jz      power_off
        movb    %al, %ah
        movw    $UART_STATUS, %dx
wait:   inb     %dx, %al
        testb   $CAN_SEND, %al
        jz      wait
        movw    $UART, %dx
        movb    %ah, %al
        outb    %al, %dx
        jmp     next

power_off:
        movw    $PM1_CONTROL, %dx
        movw    $SOFT_OFF, %ax
        outw    %ax, %dx
halt:   hlt
        jmp     halt

message:
        .asciz  "MINOVA-BOOT-SECTOR-OK\r\n"

        .org    510
        .word   0xaa55                  # the mark a BIOS looks for
