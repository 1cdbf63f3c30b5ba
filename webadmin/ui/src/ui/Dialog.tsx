import { Modal, type ModalProps } from '@mantine/core'
import { useWindowEvent } from '@mantine/hooks'
import { type ReactNode, useEffect, useState } from 'react'
import { giveFocus, lastFocused, uppermost } from '@/app/focus'

type DialogProps = Pick<ModalProps, 'size' | 'zIndex' | 'centered' | 'yOffset'> & {
  title: string
  close: () => void
  children: ReactNode
  /** Only a button inside closes it, because its content cannot be shown again. */
  insists?: boolean
}

// Mantine's header element would be a second banner of the page.
const unmarked = { header: { role: 'none' } }

/** A dialog that is open while it is rendered. When it closes, the focus returns to the opener. */
export function Dialog({ title, close, children, insists, ...rest }: DialogProps) {
  const [self] = useState({})
  useFocusBack()
  useEscape(self, insists ? undefined : close)
  useFocusKept(self)
  return (
    <Modal
      opened
      onClose={close}
      title={title}
      returnFocus={false}
      closeOnEscape={false}
      closeOnClickOutside={!insists}
      withCloseButton={!insists}
      attributes={unmarked}
      {...rest}
    >
      {children}
    </Modal>
  )
}

// The dialogs that are open, the uppermost last.
const stack: object[] = []

/** A menu or an open list of choices closes itself. A list without a choice is open but hidden: Escape is for the dialog. */
function handlesEscape(e: Element) {
  if (e.getAttribute('data-mantine-stop-propagation') !== 'true') return false
  const list = e.getAttribute('aria-controls')
  return !list || !!document.getElementById(list)?.getClientRects().length
}

/** Escape closes the uppermost dialog; Mantine would close all of them. */
function useEscape(self: object, close?: () => void) {
  useEffect(() => {
    stack.push(self)
    return () => {
      stack.splice(stack.indexOf(self), 1)
    }
  }, [self])
  useWindowEvent(
    'keydown',
    (e) => {
      if (e.key !== 'Escape' || e.isComposing || stack.at(-1) !== self) return
      if (e.target instanceof Element && handlesEscape(e.target)) return
      close?.()
    },
    { capture: true },
  )
}

/** A pressed button is disabled while it waits and loses the focus; the dialog takes it. */
function useFocusKept(self: object) {
  useEffect(() => {
    if (stack.at(-1) === self && document.activeElement === document.body) uppermost()?.focus()
  })
}

/** The element that opened the dialog. If it was a menu item, which is removed, the menu's button. */
function opener(): Element | null {
  // A button that asks the API before its dialog opens is disabled meanwhile, and loses the focus.
  const from = document.activeElement === document.body ? lastFocused() : document.activeElement
  const menu = from?.closest('[role=menu]')
  return menu ? document.getElementById(menu.getAttribute('aria-labelledby') ?? '') : from
}

// Mantine returns the focus when a dialog closes, but not when it is unmounted.
function useFocusBack() {
  const [from] = useState(opener)
  useEffect(() => () => giveFocus(from), [from])
}
